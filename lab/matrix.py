"""The zone policy as the packets of a running lab see it, beside what the policy says they should see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from inventory.network import Network
from inventory.policy import Cell
from lab import state
from lab.listen import Endpoint
from lab.probe import Flow, reached
from netdr.kernel.errors import MissingError

# Milliseconds suffice inside one machine; a first SYN is repeated after a second only (RFC 6298).
PATIENCE = 0.7
# What the policy permits and a busy machine was too slow for gets more time, three repeated SYNs, before it counts.
LONG_PATIENCE = 4.0


@dataclass(frozen=True, slots=True)
class Observation:
    """A cell of the policy's matrix and whether its packets got through."""

    cell: Cell
    passed: bool

    @property
    def matches(self) -> bool:
        """Whether the packets met the verdict that the policy gives."""
        return self.passed == (self.cell.verdict == "permit")


def observe(lab: str, network: Network, cells: Iterable[Cell]) -> tuple[Observation, ...]:
    """Try every cell with real packets from its source in the running lab; about 3 s for 2000 cells.

    A cell that is denied as it should be is believed after ``PATIENCE`` seconds; one that should be permitted and is
    not is tried again with more time. Raise LabError if the lab is not up, MissingError without root, Problems if a
    destination is not there: nothing can be said then.
    """
    state.running(lab)
    if os.geteuid() != 0:
        raise MissingError("trying packets needs root", why="it enters the users' network namespaces")
    wanted = tuple(cells)
    holders = _holders(lab, network)
    flows = tuple(_flow(lab, cell, holders) for cell in wanted)
    passed = list(reached(flows, PATIENCE))
    late = [n for n, cell in enumerate(wanted) if cell.verdict == "permit" and not passed[n]]
    for number, answered in zip(late, reached([flows[n] for n in late], LONG_PATIENCE), strict=True):
        passed[number] = answered
    return tuple(Observation(cell, got) for cell, got in zip(wanted, passed, strict=True))


def _holders(lab: str, network: Network) -> Mapping[str, Sequence[str]]:
    """Return, for each destination whose address may be at another node, the namespaces of those nodes.

    A service's address is at the services host of the site where it is active, an external zone's at the city.
    """
    hosts = [f"{lab}.{host.id}" for host in network.hosts("services")]
    city = [f"{lab}.{network.district.uplink.id}"]
    services = {service.id: hosts for service in network.district.services}
    return services | {zone.id: city for zone in network.district.zones if zone.kind == "external"}


def _flow(lab: str, cell: Cell, holders: Mapping[str, Sequence[str]]) -> Flow:
    at = tuple(holders.get(cell.destination, [f"{lab}.{cell.destination}"]))
    return Flow(f"{lab}.{cell.source}", Endpoint(IPv4Address(cell.address), cell.port, at))
