"""What one host has to do for one asset, as the controller hands it over and the host keeps it.

A host needs no inventory for its work: its book of duties is a file, so that scheduled jobs run while every controller
is away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from backup.drill import exercise
from inventory.asset import Asset, Protection, Service
from inventory.holding import holder, services_host
from inventory.network import Network
from netdr.kernel.errors import BackupError, UsageError, unknown

Role = Literal["home", "standby"]
HostRole = Literal["services", "controller"]

# The TCP port of the backup server on the DR host (docs/architecture.md).
PORT = 8000


@dataclass(frozen=True)
class Duty:
    """One asset on one host. ``home``: it is saved here; ``standby``: its copies arrive, are proven and kept here."""

    asset: Asset
    role: Role
    protection: Protection


@dataclass(frozen=True)
class Book:
    """All duties of a host. ``role``: its own; ``server``: the address of the DR host's backup server.

    ``inventory`` and ``state`` are a controller's own folders, empty on a services host. ``exercise``: what a drill on
    this host tries (``backup.drill.exercise``), as JSON has it; empty where no copies of services are.
    """

    host: str
    role: HostRole
    server: str
    duties: Mapping[str, Duty]
    inventory: str = ""
    state: str = ""
    exercise: Mapping[str, object] = field(default_factory=dict)

    def select(self, names: Sequence[str]) -> tuple[Duty, ...]:
        """Return the duties for ``names``, all if none is named. Raise UsageError, listing the known, for others."""
        for name in names:
            if name not in self.duties:
                raise UsageError(unknown("asset", name, self.duties), where=self.host)
        return tuple(self.duties[name] for name in (names or self.duties))

    def dump(self) -> str:
        """Return the book as JSON."""
        duties = [
            {
                "asset": duty.asset.model_dump(mode="json"),
                "serves": isinstance(duty.asset, Service),
                "role": duty.role,
                "protection": duty.protection.model_dump(mode="json"),
            }
            for duty in self.duties.values()
        ]
        value = {
            "host": self.host,
            "role": self.role,
            "server": self.server,
            "inventory": self.inventory,
            "state": self.state,
            "exercise": self.exercise,
            "duties": duties,
        }
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def load(cls, text: str, where: str) -> Book:
        """Return the book that ``dump`` wrote. Raise BackupError if the text is not one."""
        try:
            value = json.loads(text)
            duties = [_duty(one) for one in value["duties"]]
            return cls(
                value["host"],
                value["role"],
                value["server"],
                {duty.asset.id: duty for duty in duties},
                value["inventory"],
                value["state"],
                # Hosts that were set up before there were drills have none.
                value.get("exercise", {}),
            )
        except (ValueError, TypeError, LookupError) as error:
            hint = "run netdr backup init on a controller"
            raise BackupError("the host's duties cannot be read", where=where, why=str(error), hint=hint) from error


def book_of(network: Network, host: str) -> Book:
    """Return the duties of a host: every asset it holds, and at a services host every asset whose standby it is.

    The DR host of an asset is the first services host at its standby site. All of a host's home assets share one.
    """
    node = network.node(host)
    protections = {protection.id: protection for protection in network.district.protections}
    duties: dict[str, Duty] = {}
    for asset in network.district.protected:
        if holder(network, asset, asset.home) == host:
            duties[asset.id] = Duty(asset, "home", protections[asset.protection])
        elif asset.standby == node.site and holder(network, asset, asset.standby) == host:
            duties[asset.id] = Duty(asset, "standby", protections[asset.protection])
    standby = {duty.asset.standby for duty in duties.values()}
    if len(standby) > 1:
        raise UsageError("assets of one host have different DR sites", where=host, why=", ".join(sorted(standby)))
    server = next((services_host(network, place) for place in standby), host)
    drilled = any(duty.role == "standby" and isinstance(duty.asset, Service) for duty in duties.values())
    return Book(
        host,
        "controller" if node.role == "controller" else "services",
        str(network.node(server).loopback),
        duties,
        exercise=json.loads(exercise.of_network(network).dump()) if drilled else {},
    )


def read(path: Path) -> Book | None:
    """Return this machine's book of duties, None if it has none: it is a controller, or was never set up."""
    return Book.load(path.read_text(encoding="utf-8"), str(path)) if path.exists() else None


def _duty(value: Mapping[str, object]) -> Duty:
    written = json.dumps(value["asset"])
    asset = Service.model_validate_json(written) if value["serves"] else Asset.model_validate_json(written)
    role = value["role"]
    if role not in {"home", "standby"}:
        message = f"role {role!r}"
        raise ValueError(message)
    protection = Protection.model_validate_json(json.dumps(value["protection"]))
    return Duty(asset, "home" if role == "home" else "standby", protection)
