"""What one host has to do for one service, as the controller hands it over and the host keeps it.

A host needs no inventory for its work: its book of duties is a file, so that scheduled jobs run while every controller
is away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from inventory.model import Protection, Service
from inventory.network import Network
from netdr.kernel.errors import BackupError, UsageError, unknown

Role = Literal["home", "standby"]

# The TCP port of the backup server on the DR host (docs/architecture.md).
PORT = 8000


@dataclass(frozen=True, slots=True)
class Promise:
    """A service's protection in seconds: see ``inventory.model.Protection``."""

    rpo: int
    rto: int
    every: int
    proof_every: int


@dataclass(frozen=True)
class Duty:
    """One service on one host. ``home``: it is saved here; ``standby``: its copies arrive, are proven and kept here."""

    service: Service
    role: Role
    promise: Promise


@dataclass(frozen=True)
class Book:
    """All duties of a host. ``server``: the address of the DR host's backup server."""

    host: str
    server: str
    duties: Mapping[str, Duty]

    def select(self, names: Sequence[str]) -> tuple[Duty, ...]:
        """Return the duties for ``names``, all if none is named. Raise UsageError, listing the known, for others."""
        for name in names:
            if name not in self.duties:
                raise UsageError(unknown("service", name, self.duties), where=self.host)
        return tuple(self.duties[name] for name in (names or self.duties))

    def dump(self) -> str:
        """Return the book as JSON."""
        duties = [
            {
                "service": duty.service.model_dump(mode="json"),
                "role": duty.role,
                "promise": asdict(duty.promise),
            }
            for duty in self.duties.values()
        ]
        value = {"host": self.host, "server": self.server, "duties": duties}
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def load(cls, text: str, where: str) -> Book:
        """Return the book that ``dump`` wrote. Raise BackupError if the text is not one."""
        try:
            value = json.loads(text)
            duties = [_duty(one) for one in value["duties"]]
            return cls(value["host"], value["server"], {duty.service.id: duty for duty in duties})
        except (ValueError, TypeError, LookupError) as error:
            hint = "run netdr backup init on a controller"
            raise BackupError("the host's duties cannot be read", where=where, why=str(error), hint=hint) from error


def book_of(network: Network, host: str) -> Book:
    """Return the duties of a services host: every service whose home or standby is the host's site.

    The DR host of a service is the first services host at its standby site. All of a host's home services share one.
    """
    site = network.node(host).site
    promises = {protection.id: _promise(protection) for protection in network.district.protections}
    duties = {
        service.id: Duty(service, "home" if service.home == site else "standby", promises[service.protection])
        for service in network.district.services
        if site in {service.home, service.standby}
    }
    standby = {duty.service.standby for duty in duties.values()}
    if len(standby) > 1:
        raise UsageError("services of one host have different DR sites", where=host, why=", ".join(sorted(standby)))
    server = next((services_host(network, place) for place in standby), host)
    return Book(host, str(network.node(server).loopback), duties)


def services_host(network: Network, site: str) -> str:
    """Return the id of the services host at a site. Raise UsageError if there is none."""
    found = network.hosts("services", site)
    if not found:
        raise UsageError(f"no services host at site '{site}'", hint="add one to hosts in devices.yaml")
    return found[0].id


def read(path: Path) -> Book | None:
    """Return this machine's book of duties, None if it has none: it is a controller, or was never set up."""
    return Book.load(path.read_text(encoding="utf-8"), str(path)) if path.exists() else None


def _promise(protection: Protection) -> Promise:
    return Promise(protection.rpo, protection.rto, protection.every, protection.proof_every)


def _duty(value: Mapping[str, object]) -> Duty:
    service = Service.model_validate_json(json.dumps(value["service"]))
    role = value["role"]
    if role not in {"home", "standby"}:
        message = f"role {role!r}"
        raise ValueError(message)
    promise = value["promise"]
    if not isinstance(promise, dict):
        message = "promise is not a mapping"
        raise TypeError(message)
    return Duty(service, "home" if role == "home" else "standby", Promise(**promise))
