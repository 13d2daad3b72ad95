"""SSH host keys of a lab, made fresh each time it is brought up."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from netdr.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class HostKey:
    """An ed25519 key (RFC 8709): the private half as OpenSSH keeps it, the public one as ``known_hosts`` has it."""

    private: Secret = field(repr=False)
    public: str


def host_key() -> HostKey:
    """Return a new key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return HostKey(Secret(private), public)
