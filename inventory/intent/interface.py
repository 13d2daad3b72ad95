"""A device's own addresses: routed ports and user networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from inventory.links import LinkKind
from inventory.network import Network


@dataclass(frozen=True, slots=True)
class RoutedPort:
    """A port with an address of its own and one node at its far end (a /31, RFC 3021)."""

    name: str
    kind: LinkKind
    address: IPv4Interface
    cost: int
    far: str
    far_port: str
    far_address: IPv4Address


@dataclass(frozen=True, slots=True)
class UserVlan:
    """A user network: the device is its gateway, ``ports`` are its access ports."""

    id: int
    name: str
    zone: str
    gateway: IPv4Interface
    ports: tuple[str, ...]


def port_order(name: str) -> tuple[str | int, ...]:
    """Return a sort key that puts ``swp2`` before ``swp10``, as every platform lists its ports."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"\d+|\D+", name))


def routed_ports(network: Network, device: str) -> tuple[RoutedPort, ...]:
    """Return the device's routed ports, in order of port."""
    found = []
    for wire in network.wires_of(device):
        here, far = wire.end(device), wire.far(device)
        found.append(
            RoutedPort(here.port, wire.kind, here.address, wire.cost, far.node, far.port, far.address.ip),
        )
    return tuple(sorted(found, key=lambda port: port_order(port.name)))


def user_vlans(network: Network, device: str) -> tuple[UserVlan, ...]:
    """Return the user networks behind the device, in order of VLAN id."""
    found = (
        UserVlan(
            net.vlan.id, net.vlan.name, net.vlan.zone, IPv4Interface((net.gateway, net.prefix.prefixlen)), (net.port,)
        )
        for net in network.nets_of(device)
    )
    return tuple(sorted(found, key=lambda vlan: vlan.id))
