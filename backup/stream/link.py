"""How the DR host reaches the database cluster of a home site, and where it keeps what comes from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup.duty import Duty
from backup.repository import Layout
from inventory.asset import Postgres
from netdr.kernel.errors import BackupError

# The account at the home cluster: it may replicate and nothing else.
ROLE = "netdr_stream"
# The only slot of that account. Its name says who holds it.
SLOT = "netdr_stream"
INIT = "run netdr backup init on a controller"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a home host tells the DR host: where its cluster is, which one it is, the certificate to pin. No secret.

    ``system``: PostgreSQL's number for the cluster, different for every cluster ever made.
    """

    site: str
    host: str
    address: str
    port: int
    system: str
    version: int
    segment: int
    certificate: str

    def reveal(self) -> dict[str, object]:
        """Return it for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of(cls, value: Any) -> Offer:  # noqa: ANN401 - whatever JSON gave
        """Return what ``reveal`` gave. Raise BackupError if the value is not that."""
        try:
            return cls(
                site=str(value["site"]),
                host=str(value["host"]),
                address=str(value["address"]),
                port=int(value["port"]),
                system=str(value["system"]),
                version=int(value["version"]),
                segment=int(value["segment"]),
                certificate=str(value["certificate"]),
            )
        except (TypeError, LookupError, ValueError) as error:
            raise BackupError("a home host's offer to stream cannot be read", why=str(error), hint=INIT) from None


@dataclass(frozen=True, slots=True)
class Link:
    """The DR host's end. ``folder``: its credentials, ``top``: what it has received; both belong to postgres."""

    offer: Offer
    folder: Path
    top: Path

    @property
    def site(self) -> str:
        """The home site."""
        return self.offer.site

    @property
    def label(self) -> str:
        """What people are told."""
        return f"PostgreSQL of {self.offer.host} ({self.offer.address}:{self.offer.port})"

    @property
    def conninfo(self) -> str:
        """How a client connects: nobody but the pinned server, no password but in a file. It may be seen by all."""
        words: Mapping[str, object] = {
            "host": self.offer.address,
            "port": self.offer.port,
            "user": ROLE,
            "passfile": passfile(self.folder),
            "sslmode": "verify-full",
            "sslrootcert": certificate(self.folder),
            # There is none: or libpq looks for one in the home folder of whoever started it.
            "sslcert": self.folder / "no.crt",
            "sslcrl": self.folder / "no.crl",
            "channel_binding": "require",
            "gssencmode": "disable",
            "connect_timeout": 10,
            # A site that has vanished says nothing: 10 s after its last word the connection counts as lost.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10000,
            "application_name": SLOT,
        }
        return " ".join(f"{name}={value}" for name, value in words.items())


def passfile(folder: Path) -> Path:
    """Return where the password is, in libpq's form."""
    return folder / "passfile"


def certificate(folder: Path) -> Path:
    """Return where the pinned certificate is."""
    return folder / "server.crt"


def written(folder: Path) -> Path:
    """Return where the offer is kept."""
    return folder / "offer.json"


def of_site(layout: Layout, site: str) -> Link:
    """Return the link to a home site. Raise BackupError if init has not made it."""
    folder = layout.stream / site
    path = written(folder)
    if not path.exists():
        raise BackupError(f"nothing is streamed from site '{site}' to this host", where=str(path), hint=INIT)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BackupError(
            "the link to a home site cannot be read", where=str(path), why=str(error), hint=INIT
        ) from None
    return Link(Offer.of(value), folder, layout.archives / site)


def streamed(duty: Duty) -> bool:
    """Return whether an asset's protection promises a stream, and it has a database to be streamed."""
    return duty.protection.stream and any(isinstance(one, Postgres) for one in duty.asset.data)


def of_duty(layout: Layout, duty: Duty) -> Link:
    """Return the link that an asset's databases come by.

    Raise BackupError if it is not streamed, or this host is not its DR host.
    """
    name = duty.asset.id
    if not streamed(duty):
        hint = "set stream: true in its protection and run netdr backup init"
        raise BackupError(f"{name} is not streamed", where=duty.protection.id, hint=hint)
    if duty.role != "standby":
        raise BackupError(f"the stream of {name} does not arrive on this host", hint="run it at its DR site")
    return of_site(layout, duty.asset.home)
