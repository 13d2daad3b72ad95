"""Seal a secret so that only the holder of a private key can read it: libsodium's sealed box.

(An ephemeral X25519 key, XSalsa20 and Poly1305.) The only module that uses PyNaCl.
"""

from __future__ import annotations

from nacl.encoding import Base64Encoder, HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from netdr.kernel.errors import RecoveryError
from netdr.kernel.secret import Secret


def new_key() -> bytes:
    """Return a new private key: 32 random bytes."""
    return bytes(PrivateKey.generate())


def public(private: bytes) -> str:
    """Return the public key of a private key, in hex."""
    return PrivateKey(private).public_key.encode(HexEncoder).decode()


def close(public_key: str, secret: Secret) -> str:
    """Seal a secret for a public key and return it in base64. The same secret never gives the same text twice."""
    box = SealedBox(PublicKey(public_key.encode(), HexEncoder))
    return box.encrypt(secret.reveal().encode(), Base64Encoder).decode()


def open_(private: bytes, sealed: str, where: str) -> Secret:
    """Return what was sealed. Raise RecoveryError, naming ``where``, if this key does not open it."""
    try:
        return Secret(SealedBox(PrivateKey(private)).decrypt(sealed.encode(), Base64Encoder).decode())
    except (CryptoError, ValueError) as error:
        hint = "take the bundle that the other site keeps"
        raise RecoveryError("a sealed secret cannot be opened", where=where, why="damaged", hint=hint) from error
