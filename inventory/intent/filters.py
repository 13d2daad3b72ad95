"""Packet filters: the zone policy at the edges where traffic comes in, and a device's protection of itself.

The policy is enforced at the access switch, where both directions of a flow always meet, so its filters know
connections. At the border to the city they do not: a flow may leave by one border and its answers come by the other.

A filter names a zone by its pool, never another unit's network, so a new network changes one device. What follows:
*from* its users a switch enforces the rules with their user classes; *towards* its users it knows the zone of a source,
not the class, and so holds zones apart even when another switch does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, cast

from inventory.entry import Port
from inventory.intent.bgp import Bgp
from inventory.intent.interface import RoutedPort, UserVlan
from inventory.model import Rule
from inventory.network import Network, Node
from inventory.policy.rules import announced, applies, externals, pools

Protocol = Literal["tcp", "udp", "icmp"]
ANY = IPv4Network("0.0.0.0/0")
_Side = Literal["source", "destination"]
# A rule that goes to services only has no zone.
_Zone = str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a filter; the first that matches decides. ``rule`` is the policy's rule that it comes from.

    ``protocol`` None means every protocol. ``answers``: not the flow that the rule permits but what comes back, so
    ``ports`` are where it comes from.
    """

    action: Literal["permit", "deny"]
    rule: str
    source: IPv4Network = ANY
    destination: IPv4Network = ANY
    protocol: Protocol | None = None
    ports: tuple[int, ...] = ()
    answers: bool = False


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What users of a VLAN may send and be sent; the rest is denied. Sources outside ``prefix`` are forged."""

    vlan: int
    prefix: IPv4Network
    outward: tuple[Entry, ...]
    inward: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class BorderFilter:
    """What may pass the port to the city; errors about flows (ICMP) may pass from and to ``reachable`` addresses.

    Nothing from outside may claim an address of ``district``.
    """

    port: str
    district: tuple[IPv4Network, ...]
    reachable: tuple[IPv4Network, ...]
    outward: tuple[Entry, ...]
    inward: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ControlFilter:
    """Who may talk to the device itself: ``managers`` (addresses of the controllers), and its routing neighbours.

    ``neighbours`` are ports with the one address that speaks OSPF and BFD there, ``city`` the same for BGP,
    ``borders`` the loopbacks of the district's other borders.
    """

    managers: tuple[IPv4Address, ...]
    neighbours: tuple[tuple[str, IPv4Address], ...]
    city: tuple[tuple[str, IPv4Address], ...]
    borders: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """All filters of a device. ``transit`` are the ports between which an access switch passes others' traffic on."""

    control: ControlFilter
    users: tuple[UserFilter, ...]
    border: tuple[BorderFilter, ...]
    transit: tuple[str, ...]


def filters(
    network: Network, node: Node, ports: tuple[RoutedPort, ...], vlans: tuple[UserVlan, ...], bgp: Bgp | None
) -> Filters:
    """Return the filters of a device with these ports, user networks and BGP sessions."""
    lines = tuple(port for port in ports if port.kind in {"backbone", "uplink"})
    peers = bgp.peers if bgp else ()
    return Filters(
        control=ControlFilter(
            managers=tuple(sorted(host.loopback for host in network.hosts("controller"))),
            neighbours=tuple((port.name, port.far_address) for port in lines),
            city=tuple((peer.line.port, peer.address) for peer in peers if peer.line),
            borders=tuple(peer.address for peer in peers if not peer.line),
        ),
        users=tuple(_user_filter(network, node.unit, vlan) for vlan in vlans),
        border=tuple(_border_filter(network, port.name) for port in ports if port.kind == "city"),
        transit=tuple(port.name for port in lines),
    )


def _user_filter(network: Network, unit: str, vlan: UserVlan) -> UserFilter:
    zones, user_class = network.district.settings.addresses.zones, network.units[unit].user_class
    outward, inward = list[Entry](), list[Entry]()
    to_outside, from_outside = defaultdict[_Zone, list[Entry]](list), defaultdict[_Zone, list[Entry]](list)
    for rule in network.district.rules:
        if applies(rule.source, vlan.zone, user_class):
            outward += _reached(network, rule)
            to_outside[rule.to.zone] += _permit(rule)
        if rule.to.zone == vlan.zone and rule.source.zone in zones:
            inward += _permit(rule, source=zones[rule.source.zone])
        elif rule.to.zone == vlan.zone:
            from_outside[rule.source.zone] += _permit(rule)
    return UserFilter(
        vlan=vlan.id,
        prefix=vlan.gateway.network,
        outward=(*outward, *_outside(network, "destination", to_outside)),
        inward=(*inward, *_outside(network, "source", from_outside)),
    )


def _border_filter(network: Network, port: str) -> BorderFilter:
    zones = network.district.settings.addresses.zones
    outward, inward = defaultdict[_Zone, list[Entry]](list), defaultdict[_Zone, list[Entry]](list)
    for rule in network.district.rules:
        if rule.source.zone in zones:
            flows = _permit(rule, source=zones[rule.source.zone])
            outward[rule.to.zone] += flows
            inward[rule.to.zone] += map(_answer, flows)
        else:
            flows = _reached(network, rule)
            inward[rule.source.zone] += flows
            outward[rule.source.zone] += map(_answer, flows)
    return BorderFilter(
        port=port,
        district=pools(network),
        reachable=announced(network),
        outward=tuple(_outside(network, "destination", outward)),
        inward=tuple(_outside(network, "source", inward)),
    )


def _reached(network: Network, rule: Rule) -> list[Entry]:
    """Return the permits of a rule towards services and user zones."""
    zones, found = network.district.settings.addresses.zones, list[Entry]()
    for service in network.district.services:
        if service.id in rule.to.services:
            found += _permit(rule, service.ports, destination=IPv4Network(network.services[service.id]))
    if rule.to.zone in zones:
        found += _permit(rule, destination=zones[rule.to.zone])
    return found


def _permit(
    rule: Rule, ports: Iterable[Port] | None = None, source: IPv4Network = ANY, destination: IPv4Network = ANY
) -> list[Entry]:
    """Return one permit for each protocol among ``ports`` (the rule's own unless given)."""
    numbers = defaultdict[Protocol, list[int]](list)
    for port in rule.to.ports if ports is None else ports:
        protocol, _, number = port.partition("/")
        numbers[cast("Protocol", protocol)] += [int(number)] if number else []
    return [Entry("permit", rule.id, source, destination, p, tuple(sorted(numbers[p]))) for p in sorted(numbers)]


def _answer(flow: Entry) -> Entry:
    return replace(flow, source=flow.destination, destination=flow.source, answers=True)


def _outside(network: Network, side: _Side, permits: Mapping[_Zone, Sequence[Entry]]) -> Iterator[Entry]:
    """Yield each external zone's permits with its prefixes on ``side``.

    A prefix that lies in a wider one which comes later is closed behind its own permits; so are the district's own.
    """
    found = [(pool, "") for pool in pools(network)] + list(externals(network))
    for number, (prefix, zone) in enumerate(found):
        yield from (_at(side, prefix, entry) for entry in permits.get(zone, ()))
        if any(permits.get(wider) and prefix.overlaps(other) for other, wider in found[number + 1 :]):
            yield _at(side, prefix, Entry("deny", ""))


def _at(side: _Side, prefix: IPv4Network, entry: Entry) -> Entry:
    return replace(entry, source=prefix) if side == "source" else replace(entry, destination=prefix)
