"""What a recovery needs from the world: probes, witnesses, the services on their hosts, the network, people.

The doors build a ``World`` from real parts; ``backup.recovery.testing`` has one in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backup.recovery.plan import Step
from inventory.asset import Service
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import MissingError, RecoveryError

# What a step found out, for the report and for steps after it. JSON values only.
Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Point:
    """What a service goes back to: a ``snapshot`` of the DR site by its id, or a ``moment`` (ISO 8601).

    Neither: the newest there is.
    """

    snapshot: str = ""
    moment: str = ""


class Services(Protocol):
    """The services on their hosts, wherever those are. Times are Unix seconds, limits seconds."""

    def control(self, host: str, service: str, verb: str, limit: float) -> Facts:
        """Run ``start``, ``stop`` or ``status`` of a service on a host. Raise RecoveryError if it fails."""

    def restore(self, host: str, service: str, limit: float) -> Facts:
        """Put the newest off-site copy into place on the DR host; return ``snapshot`` and ``as_of``."""

    def bring(self, service: str, point: Point, limit: float) -> Facts:
        """Put a point of a stopped service's past into place where it is active; return ``snapshot`` and ``as_of``."""

    def carry(self, source: str, target: str, service: str, limit: float) -> Facts:
        """Bring a stopped service's last state from one host to another; return ``snapshot`` and ``as_of``."""

    def use(self, service: Service, limit: float) -> Facts:
        """Use a service at its own address as a user would. Raise RecoveryError if it does not answer in time."""

    def job(self, verb: str, service: str, limit: float) -> Facts:
        """Have ``netdr backup VERB`` done for a service where that is done; return its facts."""


class People(Protocol):
    """Who decides, and who does what no program can. Both raise RecoveryError if nobody answers within ``limit``."""

    def decide(self, step: Step, known: Mapping[str, Facts], limit: float) -> str:
        """Return who agreed, having been shown what is known by step. Raise RecoveryError if they do not."""

    def report(self, step: Step, limit: float) -> str:
        """Return what a person says to have done, having been shown the instruction."""


class Nobody:
    """Nobody can be asked."""

    def decide(self, step: Step, known: Mapping[str, Facts], limit: float) -> str:  # noqa: ARG002 - People
        """Raise RecoveryError."""
        return self.report(step, limit)

    def report(self, step: Step, limit: float) -> str:  # noqa: ARG002 - People
        """Raise RecoveryError."""
        raise RecoveryError("nobody can be asked", where=step.id, hint="run netdr dr resume at a terminal")


def _no_network(_devices: Sequence[str]) -> Facts:
    raise MissingError("devices cannot be configured from here")


@dataclass(frozen=True)
class World:
    """The parts a recovery works with.

    ``answering``: of the nodes named, those that answer this controller. ``witness``: of the nodes named, those that a
    unit's access switch can reach; it raises UnreachableError when the switch itself does not answer. ``change``: make
    the network follow a placement on all devices that answer, and return facts. ``decide``: record a placement.
    ``configure``: bring devices to their intended state, and return facts.
    """

    network: Network
    services: Services
    answering: Callable[[Sequence[str]], tuple[str, ...]]
    witness: Callable[[str, Sequence[str]], tuple[str, ...]]
    change: Callable[[Placement], Facts]
    decide: Callable[[Placement], None]
    configure: Callable[[Sequence[str]], Facts] = _no_network
    people: People = field(default_factory=Nobody)


def site_of_kind(network: Network, kind: str) -> str:
    """Return the district's only site of a kind (``main`` or ``dr``)."""
    found = [site.id for site in network.district.sites if site.kind == kind]
    if len(found) != 1:
        raise RecoveryError(f"a recovery needs one site of kind '{kind}'; the district has {len(found)}")
    return found[0]
