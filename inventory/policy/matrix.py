"""What the policy makes of the flows worth trying: every user network × destination × port, with the verdict.

Worth trying is what a rule permits and, beside it, what only a slip in a filter would let through: a port a service
does not publish, a zone's port that no rule names, the management of devices and controllers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

from inventory.entry import Port
from inventory.network import Network, UserNet, user_host
from inventory.policy.rules import Target, external_address, permits

# Ports on which a services host listens for others than users, and echo.
_UNPUBLISHED: tuple[Port, ...] = ("tcp/22", "tcp/5432", "icmp")
# The first of these that no rule names for a zone is tried as well: echo, which every host answers, then worms' ports.
_UNNAMED: tuple[Port, ...] = ("icmp", "tcp/22", "tcp/445", "tcp/3389", "tcp/8080")
_DEVICE: tuple[Port, ...] = ("tcp/22", "udp/161")
_CONTROLLER: tuple[Port, ...] = ("tcp/22", "icmp")


@dataclass(frozen=True, slots=True)
class Cell:
    """One flow to try, from the lab's user host ``source``. ``rule`` is the one that permits it, empty if none does."""

    source: str
    destination: str
    address: str
    port: Port
    verdict: Literal["permit", "deny"]
    rule: str

    @property
    def id(self) -> str:
        """The flow in one word, different for every cell of a matrix."""
        return f"{self.source}>{self.destination}:{self.port}"


@dataclass(frozen=True)
class Matrix:
    """All cells, in the order of the units, then of the destinations."""

    cells: tuple[Cell, ...]

    @cached_property
    def by_source(self) -> Mapping[str, tuple[Cell, ...]]:
        """The cells of each user host."""
        found = defaultdict[str, list[Cell]](list)
        for cell in self.cells:
            found[cell.source].append(cell)
        return {source: tuple(cells) for source, cells in found.items()}


def expected(network: Network) -> Matrix:
    """Return the matrix of a network. From every user network it goes to the following destinations.

    * every service, on its published ports and on others
    * its unit's other networks, and one network of every zone and class, on the ports that rules name and one more
    * the test address of every external zone, likewise
    * the management of the device next to it and of another, and every controller, which no rule can permit
    """
    return Matrix(tuple(chain.from_iterable(_cells(network, net, n) for n, net in enumerate(network.nets))))


def _cells(network: Network, net: UserNet, turn: int) -> Iterator[Cell]:
    targets = chain(_services(network), _users(network, net, turn), _externals(network), _managed(network, net, turn))
    for target, ports in targets:
        for port in ports:
            rule = permits(network, net, target, port)
            yield Cell(
                source=user_host(network, net),
                destination=target.id,
                address=str(target.address),
                port=port,
                verdict="permit" if rule else "deny",
                rule=rule.id if rule else "",
            )


_Wanted = Iterator[tuple[Target, Iterable[Port]]]


def _services(network: Network) -> _Wanted:
    for service in network.district.services:
        target = Target("service", service.id, network.services[service.id])
        yield target, dict.fromkeys((*service.ports, *_UNPUBLISHED))


def _users(network: Network, net: UserNet, turn: int) -> _Wanted:
    groups = defaultdict[tuple[str, str], list[UserNet]](list)
    for other in network.nets:
        if other.unit != net.unit:
            groups[other.vlan.zone, network.units[other.unit].user_class].append(other)
    # Taking turns spreads the tries over all networks of a group.
    chosen = [group[turn % len(group)] for _, group in sorted(groups.items())]
    for other in [n for n in network.nets if n.unit == net.unit and n != net] + chosen:
        target = Target("user", user_host(network, other), other.first_host, other.vlan.zone)
        yield target, _named(network, other.vlan.zone)


def _externals(network: Network) -> _Wanted:
    for zone in network.district.zones:
        if zone.kind == "external":
            yield Target("external", zone.id, external_address(network, zone.id), zone.id), _named(network, zone.id)


def _managed(network: Network, net: UserNet, turn: int) -> _Wanted:
    others = [device for device in network.devices if device.id != net.device]
    for device in (network.nodes[net.device], others[turn % len(others)]):
        yield Target("device", device.id, device.loopback), _DEVICE
    for host in network.hosts("controller"):
        yield Target("host", host.id, host.loopback), _CONTROLLER


def _named(network: Network, zone: str) -> tuple[Port, ...]:
    """Return the ports that some rule names for a zone, and one that none does."""
    named = dict.fromkeys(port for rule in network.district.rules if rule.to.zone == zone for port in rule.to.ports)
    return (*named, *[port for port in _UNNAMED if port not in named][:1])
