"""The network as a whole: a district with every address and port in its place.

``Network.of(district, record)`` joins what people wrote with what was allocated (``addressing.Record``). It is what all
other folders work with: devices, links with both ends, user networks, service addresses, and questions about them.

Naming, fixed for the whole project:

* a unit's access switch is ``acc-<unit id>``; its user host in the lab is ``host-<unit id>``, in further user networks
  ``host-<unit id>-v<vlan id>``
* a link is named by its two ends, sorted, ``core-1--core-2``
* a user network is ``<unit id>/<vlan id>``
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

from inventory.addressing import Record
from inventory.links import LinkKind, access_id, declared_links, link_name
from inventory.model import District, Unit, Vlan
from netdr.kernel.errors import UsageError, unknown

NodeKind = Literal["device", "host", "external"]

__all__ = [
    "End",
    "LinkKind",
    "Network",
    "Node",
    "NodeKind",
    "UserNet",
    "Wire",
    "access_id",
    "declared_links",
    "link_name",
    "user_host",
]


@dataclass(frozen=True, slots=True)
class Node:
    """Anything with a loopback: a managed ``device``, a server ``host`` or the city's ``external`` router.

    ``site`` is the site it sits at; for an access switch, the unit's id. ``unit`` is set for access switches only.
    """

    id: str
    kind: NodeKind
    role: str
    site: str
    platform: str
    loopback: IPv4Address
    unit: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link: the port and address (a /31, RFC 3021) of a node."""

    node: str
    port: str
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class Wire:
    """A point-to-point link with both its ends."""

    name: str
    kind: LinkKind
    ends: tuple[End, End]
    cost: int

    def end(self, node: str) -> End:
        """Return the end at ``node``."""
        return self.ends[0] if self.ends[0].node == node else self.ends[1]

    def far(self, node: str) -> End:
        """Return the end that is not at ``node``."""
        return self.ends[1] if self.ends[0].node == node else self.ends[0]


@dataclass(frozen=True, slots=True)
class UserNet:
    """A unit's user network: the switch is its ``gateway`` (the first address), ``port`` its first access port."""

    unit: str
    device: str
    vlan: Vlan
    prefix: IPv4Network
    port: str

    @property
    def gateway(self) -> IPv4Address:
        """The switch's own address in the network."""
        return self.prefix.network_address + 1

    @property
    def first_host(self) -> IPv4Address:
        """The address the lab's user host takes."""
        return self.prefix.network_address + 10 if self.prefix.prefixlen <= 27 else self.prefix.network_address + 2


@dataclass(frozen=True)
class Network:
    """A district with everything allocated. Build it with ``of``; look things up by id with ``node``."""

    district: District
    nodes: Mapping[str, Node]
    wires: tuple[Wire, ...]
    nets: tuple[UserNet, ...]
    services: Mapping[str, IPv4Address]

    @classmethod
    def of(cls, district: District, record: Record) -> Network:
        """Given a checked district and a record that covers it, return the network."""
        return cls(
            district=district,
            nodes={node.id: node for node in _nodes(district, record)},
            wires=tuple(_wires(district, record)),
            nets=tuple(_nets(district, record)),
            services=dict(record.services),
        )

    @cached_property
    def devices(self) -> tuple[Node, ...]:
        """The managed network devices, backbone first, in inventory order."""
        return tuple(node for node in self.nodes.values() if node.kind == "device")

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """The units by id."""
        return {unit.id: unit for unit in self.district.units}

    @cached_property
    def _wires_by_node(self) -> Mapping[str, tuple[Wire, ...]]:
        found: dict[str, list[Wire]] = {node: [] for node in self.nodes}
        for wire in self.wires:
            for end in wire.ends:
                found[end.node].append(wire)
        return {node: tuple(wires) for node, wires in found.items()}

    def node(self, name: str) -> Node:
        """Return the node called ``name``. Raise UsageError, listing the known ones, if there is none."""
        if name not in self.nodes:
            raise UsageError(unknown("node", name, self.nodes))
        return self.nodes[name]

    def wires_of(self, node: str) -> tuple[Wire, ...]:
        """Return the links of a node, in inventory order."""
        return self._wires_by_node[node]

    def nets_of(self, device: str) -> tuple[UserNet, ...]:
        """Return the user networks behind an access switch."""
        return self._nets_by_device.get(device, ())

    @cached_property
    def _nets_by_device(self) -> Mapping[str, tuple[UserNet, ...]]:
        found: dict[str, list[UserNet]] = {}
        for net in self.nets:
            found.setdefault(net.device, []).append(net)
        return {device: tuple(nets) for device, nets in found.items()}

    @cached_property
    def _hosts(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes.values() if node.kind == "host")

    def at_site(self, site: str) -> tuple[Node, ...]:
        """Return the nodes that are lost when ``site`` (a site or a unit) is lost."""
        return tuple(node for node in self.nodes.values() if node.site == site and node.kind != "external")

    def hosts(self, role: str, site: str | None = None) -> tuple[Node, ...]:
        """Return the servers of a role, at one site or at all."""
        return tuple(host for host in self._hosts if host.role == role and site in {None, host.site})

    def distances(
        self, start: str, without: frozenset[str] = frozenset(), cut: frozenset[str] = frozenset()
    ) -> Mapping[str, int]:
        """Return how many links away from ``start`` each reachable node is.

        The nodes ``without`` and the links ``cut`` (by name) are gone.

        Hosts and the city do not forward, so no path leads through them.
        """
        found = {start: 0}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            if here != start and self.nodes[here].kind != "device":
                continue
            for wire in self.wires_of(here):
                there = wire.far(here).node
                if there not in found and there not in without and wire.name not in cut:
                    found[there] = found[here] + 1
                    queue.append(there)
        return found


def user_host(network: Network, net: UserNet) -> str:
    """Return a network's lab host: ``host-<unit>`` in a unit's first network, ``host-<unit>-v<vlan>`` in others."""
    first = network.units[net.unit].vlans[0].id == net.vlan.id
    return f"host-{net.unit}" if first else f"host-{net.unit}-v{net.vlan.id}"


def _nodes(district: District, record: Record) -> Iterator[Node]:
    for device in district.devices:
        loopback = record.loopbacks[device.id]
        yield Node(device.id, "device", device.role, device.site, device.platform, loopback)
    for unit in district.units:
        name = access_id(unit.id)
        yield Node(name, "device", "access", unit.id, unit.platform, record.loopbacks[name], unit.id)
    for host in district.hosts:
        yield Node(host.id, "host", host.role, host.site, "server", record.loopbacks[host.id])
    city = district.uplink.id
    yield Node(city, "external", "city", city, "external", record.loopbacks[city])


def _wires(district: District, record: Record) -> Iterator[Wire]:
    for kind, link in declared_links(district):
        name = link_name(*link.ends)
        prefix = record.links[name]
        low, high = sorted(link.ends)
        ends = (
            End(low, record.ports[low][name], IPv4Interface((prefix.network_address, 31))),
            End(high, record.ports[high][name], IPv4Interface((prefix.network_address + 1, 31))),
        )
        yield Wire(name, kind, ends, link.cost)


def _nets(district: District, record: Record) -> Iterator[UserNet]:
    for unit in district.units:
        device = access_id(unit.id)
        for vlan in unit.vlans:
            key = f"{unit.id}/{vlan.id}"
            yield UserNet(unit.id, device, vlan, record.nets[key], record.ports[device][f"vlan{vlan.id}"])
