"""Which lines carry a controller's packets in a state of the network where some devices are armed and others not. Pure.

What both ends say is compared as routers do (RFC 2328, 10.5): a line is up if the ends are in one prefix and agree on
all that OSPF wants agreed on, and neither's filter keeps the other out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from inventory.links import link_name
from inventory.network import Network
from nornir_tasks.paths import spread
from nornir_tasks.reach import Ospf, Packet, Reach

# RFC 2328, A.1: AllSPFRouters.
_ALL_ROUTERS = IPv4Address("224.0.0.5")
_LINES = {"backbone", "uplink"}


@dataclass(frozen=True, slots=True)
class Sides:
    """What a device says before and after its change."""

    running: Reach
    intended: Reach

    def at(self, armed: bool) -> Reach:
        """Return what it says when it is armed or not."""
        return self.intended if armed else self.running


@dataclass(frozen=True, slots=True)
class Plug:
    """A device's port, where a cable ends."""

    device: str
    port: str


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable between two devices."""

    one: Plug
    other: Plug

    @property
    def name(self) -> str:
        """The name of its link."""
        return link_name(self.one.device, self.other.device)


class Adjacencies:
    """The lines of a network as a controller's packets see them. ``sides`` has the devices whose texts can be read."""

    def __init__(self, network: Network, controller: str, sides: Mapping[str, Sides]) -> None:
        self._network, self._controller, self._sides = network, controller, sides
        self.cables = tuple(dict.fromkeys((*_written(network), *_present(sides))))
        self._at: dict[str, list[Cable]] = {}
        for cable in self.cables:
            for plug in (cable.one, cable.other):
                self._at.setdefault(plug.device, []).append(cable)
        self._up: dict[tuple[Cable, bool, bool], bool] = {}
        self._passed: dict[tuple[str, bool], frozenset[str] | None] = {}

    def reached(self, armed: Collection[str]) -> frozenset[str]:
        """Return the devices that the controller reaches while these are armed."""
        start = Plug(self._controller, "")

        def steps(here: Plug) -> Iterator[Plug]:
            if here == start:
                yield from (Plug(node.id, "") for node in self._network.devices if self._attached(node.id, armed))
            else:
                yield from self._onward(here, armed)

        return frozenset(plug.device for plug in spread(start, steps)) - {self._controller}

    def _onward(self, here: Plug, armed: Collection[str]) -> Iterator[Plug]:
        passed = self._passing(here.device, here.device in armed)
        if passed is not None and here.port and here.port not in passed:
            return
        if not here.port and not self._tells(here.device, armed):
            return
        for cable in self._at.get(here.device, ()):
            near, far = (cable.one, cable.other) if cable.one.device == here.device else (cable.other, cable.one)
            if (passed is None or near.port in passed) and self.up(cable, armed):
                yield far

    def up(self, cable: Cable, armed: Collection[str]) -> bool:
        """Return whether a line works while these devices are armed."""
        key = (cable, cable.one.device in armed, cable.other.device in armed)
        if key not in self._up:
            self._up[key] = self._works(*key)
        return self._up[key]

    def depends(self, device: str) -> bool:
        """Return whether anything of this changes when a device is armed, whatever the others are."""
        if device not in self._sides:
            return False
        ends = ((), (device,))
        own = [
            (self._attached(device, end), self._tells(device, end), self._passing(device, bool(end))) for end in ends
        ]
        return own[0] != own[1] or any(
            self.up(cable, other) != self.up(cable, (*other, device))
            for cable in self._at.get(device, ())
            for other in ((), (cable.one.device if cable.other.device == device else cable.other.device,))
        )

    # ---- one line ----------------------------------------------------------------------------------------

    def _works(self, cable: Cable, one: bool, other: bool) -> bool:
        first, second = self._sides.get(cable.one.device), self._sides.get(cable.other.device)
        if first and second:
            return _agree(_End.of(first.at(one), cable.one.port), _End.of(second.at(other), cable.other.port))
        if first:
            return self._unchanged(first, cable.one, one)
        return self._unchanged(second, cable.other, other) if second else True

    def _unchanged(self, sides: Sides, plug: Plug, armed: bool) -> bool:
        """Return whether an end goes on as it is, for a far end of which nothing is known but that it does so, too."""
        now, then = _End.of(sides.running, plug.port), _End.of(sides.at(armed), plug.port)
        wires = [wire for wire in self._network.wires_of(plug.device) if wire.end(plug.device).port == plug.port]
        far = wires[0].far(plug.device).address.ip if wires else None
        return bool(now and then and far and now.said == then.said and then.hears(far))

    # ---- the controller's own line, and passing on -------------------------------------------------------

    def _attached(self, device: str, armed: Collection[str]) -> bool:
        """Return whether a device has the controller on a port of its own, with a route back to it."""
        if device not in self._sides:
            return any(wire.far(device).node == self._controller for wire in self._network.wires_of(device))
        reach = self._sides[device].at(device in armed)
        ways = {via for prefix, via in reach.routes if prefix == self._loopback} & self._addresses
        own = [address for port in reach.ports.values() for address in port.addresses]
        return any(via in address.network and via != address.ip for via in ways for address in own)

    @cached_property
    def _loopback(self) -> IPv4Network:
        return IPv4Network(self._network.node(self._controller).loopback)

    @cached_property
    def _addresses(self) -> frozenset[IPv4Address]:
        """The controller's addresses on its lines as they are now: what its devices' routes say, or the network."""
        found = {via for one in self._sides.values() for prefix, via in one.running.routes if prefix == self._loopback}
        for wire in self._network.wires_of(self._controller):
            if wire.far(self._controller).node not in self._sides:
                found.add(wire.end(self._controller).address.ip)
        return frozenset(found)

    def _tells(self, device: str, armed: Collection[str]) -> bool:
        """Return whether a device tells the others the way to the controller."""
        return device not in self._sides or self._sides[device].at(device in armed).redistributes

    def _passing(self, device: str, armed: bool) -> frozenset[str] | None:
        """Return the ports between which a device's filter lets others' packets pass; None for all."""
        if device not in self._sides:
            return None
        key = (device, armed)
        if key not in self._passed:
            self._passed[key] = self._filtered(device, self._sides[device].at(armed))
        return self._passed[key]

    def _filtered(self, device: str, reach: Reach) -> frozenset[str] | None:
        source = self._network.node(self._controller).loopback
        target = self._network.node(device).loopback
        lines = sorted(
            {p.port for cable in self._at.get(device, ()) for p in (cable.one, cable.other) if p.device == device}
        )
        pairs = list(zip(lines, [*lines[1:], *lines[:1]], strict=True)) if len(lines) > 1 else []
        refused = {
            port
            for pair in pairs
            for near, far in (pair, pair[::-1])
            if not reach.filter.accepts(Packet(source, target, "tcp", 22, near, far))
            for port in pair
        }
        return frozenset(lines) - refused if refused else None


@dataclass(frozen=True)
class _End:
    """One end of a line: its first address, and what the other end must agree to."""

    address: IPv4Address
    prefix: IPv4Network
    mtu: int
    ospf: Ospf
    port: str
    reach: Reach

    @classmethod
    def of(cls, reach: Reach, port: str) -> _End | None:
        """Return the end at a port, None if OSPF does not speak there."""
        found = reach.ports.get(port)
        if not found or not found.addresses or not found.ospf:
            return None
        first = found.addresses[0]
        return cls(first.ip, first.network, found.mtu, found.ospf, port, reach)

    @property
    def said(self) -> tuple[IPv4Address, IPv4Network, int, Ospf]:
        """All that is said to the other end."""
        return self.address, self.prefix, self.mtu, self.ospf

    def hears(self, far: IPv4Address) -> bool:
        """Return whether the filter lets a neighbour's hello in."""
        return self.reach.filter.accepts(Packet(far, _ALL_ROUTERS, "ospf", inward=self.port, ttl=1))


def _agree(one: _End | None, other: _End | None) -> bool:
    if not one or not other or one.prefix != other.prefix or one.address == other.address or one.mtu != other.mtu:
        return False
    alike = all(
        getattr(one.ospf, name) == getattr(other.ospf, name)
        for name in ("area", "hello", "dead", "point_to_point", "authentication")
    )
    return (
        alike
        and (not one.ospf.authentication or _trusted(one.ospf, other.ospf))
        and one.hears(other.address)
        and other.hears(one.address)
    )


def _trusted(one: Ospf, other: Ospf) -> bool:
    """Return whether each knows the key that the other signs with."""
    return bool(one.keys and other.keys and one.keys[-1] in other.keys and other.keys[-1] in one.keys)


def _written(network: Network) -> Iterator[Cable]:
    """Yield the cables of the inventory."""
    for wire in network.wires:
        if wire.kind in _LINES:
            one, other = wire.ends
            yield Cable(Plug(one.node, one.port), Plug(other.node, other.port))


def _present(sides: Mapping[str, Sides]) -> Iterator[Cable]:
    """Yield the cables that devices use now: two ports in one prefix, whatever the inventory says of them by now."""
    ends: dict[IPv4Network, list[Plug]] = {}
    for device, side in sides.items():
        for name, port in side.running.ports.items():
            if port.ospf and port.addresses:
                ends.setdefault(port.addresses[0].network, []).append(Plug(device, name))
    for plugs in ends.values():
        if len(plugs) == 2:
            yield Cable(*sorted(plugs, key=lambda plug: plug.device))
