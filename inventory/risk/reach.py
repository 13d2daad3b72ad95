"""Who reaches what when something is gone. Pure, and quick enough to take every link and device out in turn.

Only the backbone forwards: a design must not lean on a unit's access switch to carry the traffic of others, nor do
hosts and the city carry any. So whatever is gone, it is enough to walk the few devices of the backbone, and to ask for
each unit whether one of its uplinks ends at one that was reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from inventory.network import Network, access_id
from inventory.policy.rules import applies, used
from inventory.risk.risk import NO_TIER

Units = frozenset[str]


@dataclass(frozen=True, slots=True)
class Target:
    """What units use: a service, from its home or its standby, or what lies behind the city's line.

    ``home`` and ``standby`` are nodes, of which one that is reached is enough; ``users`` the units that may use it.
    """

    id: str
    tier: int
    site: str
    home: tuple[str, ...]
    standby: tuple[str, ...]
    users: Units


@dataclass(frozen=True, slots=True)
class Gone:
    """Nodes and links (by name) that are gone."""

    nodes: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()

    def __or__(self, other: Gone) -> Gone:
        """Return both together."""
        return Gone(self.nodes | other.nodes, self.links | other.links)


@dataclass(frozen=True, slots=True)
class Element:
    """One thing that may be lost. ``unit``: the only unit that can notice, empty if others can, too."""

    kind: Literal["link", "device", "host", "site"]
    id: str
    gone: Gone
    unit: str = ""


class Reach:
    """A network's units and targets, and which of them still meet."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.city = network.district.uplink.id
        self._walked: dict[tuple[str, Gone], frozenset[str]] = {}

    @cached_property
    def backbone(self) -> tuple[str, ...]:
        """The devices that forward, in inventory order."""
        return tuple(device.id for device in self.network.devices if not device.unit)

    @cached_property
    def _lines(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """For every node, the backbone devices next to it: (device, link)."""
        forwards = frozenset(self.backbone)
        found: dict[str, list[tuple[str, str]]] = {node: [] for node in self.network.nodes}
        for wire in self.network.wires:
            for end in wire.ends:
                far = wire.far(end.node).node
                if far in forwards:
                    found[end.node].append((far, wire.name))
        return {node: tuple(lines) for node, lines in found.items()}

    def lines(self, node: str) -> tuple[tuple[str, str], ...]:
        """Return the backbone devices next to a node, each with the link's name."""
        return self._lines[node]

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The services, and the city's line."""
        return (*_services(self.network), _city(self.network))

    def walk(self, start: str, gone: Gone) -> frozenset[str]:
        """Return the backbone devices that a node reaches; a node that is gone reaches none."""
        if (start, gone) not in self._walked:
            self._walked[start, gone] = self._walk(start, gone)
        return self._walked[start, gone]

    def _walk(self, start: str, gone: Gone) -> frozenset[str]:
        if start in gone.nodes:
            return frozenset()
        found, waiting = set[str](), [start]
        while waiting:
            for device, link in self._lines[waiting.pop()]:
                if device not in found and device not in gone.nodes and link not in gone.links:
                    found.add(device)
                    waiting.append(device)
        return frozenset(found)

    def devices(self, starts: Iterable[str], gone: Gone) -> frozenset[str]:
        """Return the backbone devices that one of several nodes reaches."""
        return frozenset[str]().union(*(self.walk(start, gone) for start in starts))

    def units(self, starts: Iterable[str], gone: Gone, among: Units) -> Units:
        """Return the units, of some, that one of several nodes reaches."""
        # Neither a unit's switch nor its line is of the backbone: without this every unit would be a walk of its own.
        there = self.devices(starts, Gone(gone.nodes - self._access, gone.links - self._uplinks))
        return frozenset(unit for unit in among if self._joined(unit, there, gone))

    def _joined(self, unit: str, there: frozenset[str], gone: Gone) -> bool:
        switch = access_id(unit)
        lines = self._lines[switch]
        return switch not in gone.nodes and any(device in there and link not in gone.links for device, link in lines)

    @cached_property
    def _access(self) -> frozenset[str]:
        return frozenset(access_id(unit) for unit in self.network.units)

    @cached_property
    def _uplinks(self) -> frozenset[str]:
        return frozenset(wire.name for wire in self.network.wires if wire.kind == "uplink")

    def elements(self) -> Iterator[Element]:
        """Yield every site, device, services host and link that may be lost."""
        for site in self.network.district.sites:
            yield Element("site", site.id, Gone(frozenset(node.id for node in self.network.at_site(site.id))))
        for device in self.network.devices:
            yield Element("device", device.id, Gone(frozenset({device.id})), device.unit)
        for host in self.network.hosts("services"):
            yield Element("host", host.id, Gone(frozenset({host.id})))
        for wire in self.network.wires:
            unit = next((node.unit for node in (self.network.nodes[end.node] for end in wire.ends) if node.unit), "")
            yield Element("link", wire.name, Gone(links=frozenset({wire.name})), unit)


def _services(network: Network) -> Iterator[Target]:
    permitted = {unit: used(network, unit) for unit in network.units}
    for service in network.district.services:
        home, standby = (
            tuple(host.id for host in network.hosts("services", site)) for site in (service.home, service.standby)
        )
        users = frozenset(unit for unit, services in permitted.items() if service.id in services)
        yield Target(service.id, service.tier, service.home, home, standby, users)


def _city(network: Network) -> Target:
    outside = {zone.id for zone in network.district.zones if zone.kind == "external"}
    rules = [rule for rule in network.district.rules if rule.to.zone in outside]
    users = frozenset(
        unit.id
        for unit in network.district.units
        if any(applies(rule.source, vlan.zone, unit.user_class) for rule in rules for vlan in unit.vlans)
    )
    line = (network.district.uplink.id,)
    return Target(network.district.uplink.id, NO_TIER, "", line, line, users)
