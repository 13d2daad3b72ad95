"""What a recovery needs from the world: probes, witnesses, the services on their hosts, and the network change.

The doors build a ``World`` from real parts; ``backup.recovery.testing`` has one in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inventory.asset import Service
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError

Facts = Mapping[str, object]


class Services(Protocol):
    """The services on their hosts, wherever those are. Times are Unix seconds, limits seconds."""

    def control(self, host: str, service: str, verb: str, limit: float) -> Facts:
        """Run ``start``, ``stop`` or ``status`` of a service on a host. Raise RecoveryError if it fails."""

    def restore(self, host: str, service: str, limit: float) -> Facts:
        """Put the newest off-site copy into place on the DR host; return ``snapshot`` and ``as_of``."""

    def carry(self, source: str, target: str, service: str, limit: float) -> Facts:
        """Bring a stopped service's last state from one host to another; return ``snapshot`` and ``as_of``."""

    def use(self, service: Service, limit: float) -> Facts:
        """Use a service at its own address as a user would. Raise RecoveryError if it does not answer in time."""


@dataclass(frozen=True)
class World:
    """The parts a recovery works with.

    ``answering``: of the nodes named, those that answer this controller. ``witness``: of the nodes named, those that a
    unit's access switch can reach; it raises UnreachableError when the switch itself does not answer. ``change``: make
    the network follow a placement on all devices that answer, and return facts. ``decide``: record a placement.
    """

    network: Network
    services: Services
    answering: Callable[[Sequence[str]], tuple[str, ...]]
    witness: Callable[[str, Sequence[str]], tuple[str, ...]]
    change: Callable[[Placement], Facts]
    decide: Callable[[Placement], None]


def site_of_kind(network: Network, kind: str) -> str:
    """Return the district's only site of a kind (``main`` or ``dr``)."""
    found = [site.id for site in network.district.sites if site.kind == kind]
    if len(found) != 1:
        raise RecoveryError(f"a recovery needs one site of kind '{kind}'; the district has {len(found)}")
    return found[0]
