"""The rules: which one, if any, permits a flow, and which addresses a zone means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from inventory.entry import Port
from inventory.model import Rule, Source
from inventory.network import Network, UserNet

EVERYTHING = IPv4Network("0.0.0.0/0")
# RFC 5737 TEST-NET-1: an address that nobody has, for trying "everywhere else".
ELSEWHERE = IPv4Network("192.0.2.0/24")


@dataclass(frozen=True, slots=True)
class Target:
    """What a flow goes to: a service, an address in a zone, or something no rule can name (``zone`` is empty)."""

    kind: Literal["service", "user", "external", "device", "host"]
    id: str
    address: IPv4Address
    zone: str = ""


def applies(source: Source, zone: str, user_class: str) -> bool:
    """Return whether a rule with this source speaks of users of the class in the zone."""
    return source.zone == zone and (not source.classes or user_class in source.classes)


def used(network: Network, unit: str) -> frozenset[str]:
    """Return the services the policy lets a unit use."""
    written = network.units[unit]
    return frozenset(
        service
        for rule in network.district.rules
        for vlan in written.vlans
        if applies(rule.source, vlan.zone, written.user_class)
        for service in rule.to.services
    )


def permits(network: Network, net: UserNet, target: Target, port: Port) -> Rule | None:
    """Return the first rule that lets users of ``net`` start talking to ``target`` on ``port``, or None if none does.

    A service is reached on the ports it publishes, a zone on the ports the rule names; ``icmp`` stands for echo.
    """
    user_class = network.units[net.unit].user_class
    ports = {service.id: service.ports for service in network.district.services}
    for rule in network.district.rules:
        if not applies(rule.source, net.vlan.zone, user_class):
            continue
        if target.kind == "service" and target.id in rule.to.services and port in ports[target.id]:
            return rule
        if target.zone and target.zone == rule.to.zone and port in rule.to.ports:
            return rule
    return None


def pools(network: Network) -> tuple[IPv4Network, ...]:
    """Return every prefix from which the district gives out addresses, in order."""
    plan = network.district.settings.addresses
    return tuple(sorted([plan.loopbacks, plan.links, plan.services, *plan.zones.values()]))


def externals(network: Network) -> tuple[tuple[IPv4Network, str], ...]:
    """Return every prefix behind the city with its zone, the most specific first: the first that holds decides."""
    found = [
        (prefix, zone.id) for zone in network.district.zones if zone.kind == "external" for prefix in zone.prefixes
    ]
    return tuple(sorted(found, key=lambda item: (-item[0].prefixlen, item[0])))


def external_address(network: Network, zone: str) -> IPv4Address:
    """Return the address that stands for an external zone in tests; the lab's city answers on it.

    It is the first host address of the zone's first prefix that is neither the district's own nor a more specific
    zone's; for 0.0.0.0/0 it is taken from RFC 5737's documentation prefix.
    """
    prefix = next(prefix for prefix, name in _declared(network) if name == zone)
    within = ELSEWHERE if prefix == EVERYTHING else prefix
    taken = [*pools(network), *(p for p, name in externals(network) if name != zone and p.prefixlen > prefix.prefixlen)]
    address = within.network_address + 1
    # Each prefix that is in the way moves the address behind itself, so as many rounds as there are prefixes suffice.
    for _ in taken:
        address = next((p.broadcast_address + 2 for p in taken if address in p), address)
    return address


def _declared(network: Network) -> Iterator[tuple[IPv4Network, str]]:
    for zone in network.district.zones:
        if zone.kind == "external":
            yield from ((prefix, zone.id) for prefix in zone.prefixes)


def announced(network: Network) -> tuple[IPv4Network, ...]:
    """Return what the city is told: the pools of the zones that some rule connects with an external zone.

    The services' pool is among them if a rule lets an external zone reach a service. A private zone that no rule lets
    out stays unknown outside.
    """
    plan = network.district.settings.addresses
    outside = {zone.id for zone in network.district.zones if zone.kind == "external"}
    found = set[IPv4Network]()
    for rule in network.district.rules:
        if rule.to.zone in outside and rule.source.zone in plan.zones:
            found.add(plan.zones[rule.source.zone])
        if rule.source.zone in outside and rule.to.zone in plan.zones:
            found.add(plan.zones[rule.to.zone])
        if rule.source.zone in outside and rule.to.services:
            found.add(plan.services)
    return tuple(sorted(found))
