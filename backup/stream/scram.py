"""What PostgreSQL keeps of a password: SCRAM-SHA-256 (RFC 5803, RFC 7677).

The home host gets this instead of the password, so the password itself never leaves the DR host.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode

from netdr.kernel.secret import Secret

# PostgreSQL's own choice up to 17; the passwords have 256 random bits, so guessing is hopeless anyway.
ITERATIONS = 4096


def verifier(password: Secret, salt: bytes | None = None) -> Secret:
    """Return the verifier of an ASCII password, as ALTER ROLE … PASSWORD takes it. ``salt``: random if not given."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode("ascii"), salt, ITERATIONS)
    client, server = (hmac.digest(salted, words, "sha256") for words in (b"Client Key", b"Server Key"))
    stored = hashlib.sha256(client).digest()
    first, second, third = (b64encode(part).decode("ascii") for part in (salt, stored, server))
    return Secret(f"SCRAM-SHA-256${ITERATIONS}:{first}${second}:{third}")
