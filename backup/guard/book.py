"""What a services host has to know to guard itself, as a controller hands it over: a host has no inventory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from backup.guard.decide import Pace
from inventory.asset import Postgres
from inventory.network import Network
from netdr.kernel.errors import RecoveryError

# How many units' switches are asked: an odd number, spread over the district.
WITNESSES = 5


@dataclass(frozen=True, slots=True)
class Guarded:
    """A service as its guard sees it: the address that is on ``lo`` while it runs, and its databases."""

    address: str
    databases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """``witnesses``: addresses by switch; ``services``: all that this host could ever serve; ``home``: site by service.

    ``home`` is the placement until the host is told another one.
    """

    host: str
    site: str
    address: str
    witnesses: Mapping[str, str]
    services: Mapping[str, Guarded]
    home: Mapping[str, str]
    pace: Pace = field(default_factory=Pace)

    def dump(self) -> str:
        """Return the book as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def mark(self) -> str:
        """What tells this book from others, for a controller that wants to know whether the host has the newest."""
        return hashlib.sha256(self.dump().encode()).hexdigest()[:16]

    @classmethod
    def load(cls, text: str, where: str) -> Book:
        """Return the book that ``dump`` wrote. Raise RecoveryError if the text is not one."""
        try:
            value = json.loads(text)
            services = {
                name: Guarded(one["address"], tuple(one["databases"])) for name, one in value["services"].items()
            }
            pace = Pace(float(value["pace"]["lease"]), float(value["pace"]["every"]))
            names = value["host"], value["site"], value["address"]
            return cls(*names, dict(value["witnesses"]), services, dict(value["home"]), pace)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            hint = "netdr dr watch on a controller hands it over again"
            raise RecoveryError("the guard's book cannot be read", where=where, why=str(error), hint=hint) from error


def book_of(network: Network, host: str, pace: Pace) -> Book:
    """Return what the guard of a services host has to know."""
    node = network.node(host)
    services = {
        one.id: Guarded(
            str(network.services[one.id]), tuple(source.database for source in one.data if isinstance(source, Postgres))
        )
        for one in network.district.services
    }
    home = {one.id: one.home for one in network.district.services}
    return Book(host, node.site, str(node.loopback), witnesses(network), services, home, pace)


def witnesses(network: Network) -> Mapping[str, str]:
    """Return the access switches that are asked, with their addresses: spread evenly, the same on every call."""
    switches = [node for node in network.devices if node.role == "access"]
    step = max(1, len(switches) // WITNESSES)
    return {node.id: str(node.loopback) for node in switches[::step][:WITNESSES]}
