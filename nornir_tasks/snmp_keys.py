"""SNMPv3 keys made of passphrases, so that a device never holds the passphrase.

A key localised to an engine (RFC 3414, 2.6) is worth nothing on any other device: whoever takes one switch off the
wall has the key of that switch.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

# RFC 3414 names SHA-1; RFC 7860 the others. The AES key is made with the hash of the authentication protocol.
_HASHES = {"SHA": "sha1", "SHA224": "sha224", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_MEGABYTE = 1_048_576
AES_KEY_OCTETS = 16  # RFC 3826, 1.2: the first 128 bits


def localized(protocol: str, passphrase: str, engine_id: bytes) -> bytes:
    """Return the key Kul of RFC 3414, A.2, for ``protocol`` (SHA, SHA224, SHA256, SHA384 or SHA512)."""
    digest = _HASHES[protocol]
    key = _master(digest, passphrase.encode())
    return hashlib.new(digest, key + engine_id + key).digest()


@lru_cache(maxsize=16)
def _master(digest: str, passphrase: bytes) -> bytes:
    """Return the key Ku: the hash of the passphrase repeated to a megabyte. Kept, because it is the same everywhere."""
    repeated = passphrase * (_MEGABYTE // len(passphrase) + 1)
    return hashlib.new(digest, repeated[:_MEGABYTE]).digest()
