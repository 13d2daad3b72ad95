"""Which devices a fleet has and who sees whom: pure, from the network, and as a file for the process that serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from inventory.intent.bgp import bgp
from inventory.intent.interface import routed_ports
from inventory.network import Network

# Links that carry OSPF: hosts have static routes, the city speaks BGP (docs/architecture.md).
_OSPF = {"backbone", "uplink"}


@dataclass(frozen=True, slots=True)
class Adjacency:
    """A neighbour that a device sees as ``known_by`` while both have power and their configurations mention each other.

    ``mine`` is the address that this device's configuration has to mention, ``theirs`` the one in that of ``far``; a
    neighbour that is not of the fleet has no ``far`` and is always there.
    """

    protocol: Literal["ospf", "bgp"]
    known_by: str
    port: str
    mine: str
    far: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device: where it listens, what it runs at first, whom it can see."""

    id: str
    address: str
    text: str = field(repr=False)
    adjacencies: tuple[Adjacency, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A whole fleet. A commit takes every device ``commit_s`` seconds."""

    devices: tuple[DeviceSpec, ...]
    commit_s: float = 0.0


def fleet_spec(network: Network, texts: Mapping[str, str], commit_s: float = 0.0) -> FleetSpec:
    """Given a network and what each of its devices runs at first, return the fleet that they are."""
    devices = (
        DeviceSpec(node.id, _here(str(node.loopback)), texts[node.id], tuple(_adjacencies(network, node.id)))
        for node in network.devices
    )
    return FleetSpec(tuple(devices), commit_s=commit_s)


def _here(loopback: str) -> str:
    """Return the address below 127.0.0.0/8 that stands for a loopback: the driver goes to the same."""
    return f"127.{loopback.partition('.')[2]}"


def _adjacencies(network: Network, device: str) -> Iterator[Adjacency]:
    own = str(network.node(device).loopback)
    for wire in network.wires_of(device):
        near, far = wire.end(device), wire.far(device)
        if wire.kind in _OSPF:
            known_by = str(network.node(far.node).loopback)
            yield Adjacency("ospf", known_by, near.port, str(near.address.ip), far.node, str(far.address.ip))
    found = bgp(network, device, routed_ports(network, device))
    for peer in found.peers if found else ():
        far_device = "" if peer.line else peer.name
        yield Adjacency("bgp", str(peer.address), "", str(peer.address), far_device, own if far_device else "")


def dump(spec: FleetSpec) -> str:
    """Return a fleet as JSON. It holds the devices' secrets."""
    return json.dumps(asdict(spec))


def parse(text: str) -> FleetSpec:
    """Return the fleet of a file's text; ``parse(dump(spec)) == spec``."""
    value = json.loads(text)
    devices = (
        DeviceSpec(**{**each, "adjacencies": tuple(Adjacency(**one) for one in each["adjacencies"])})
        for each in value["devices"]
    )
    return FleetSpec(**{**value, "devices": tuple(devices)})
