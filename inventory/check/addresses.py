"""The address plan: pools that do not touch each other and hold what they must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from inventory.check.finding import Check, Finding, needing
from inventory.links import declared_links
from inventory.model import AddressPlan, District
from inventory.source import Step
from netdr.kernel.errors import unknown

_PLAN = ("settings", "addresses")
_DEFAULT = IPv4Network("0.0.0.0/0")


def pools(plan: AddressPlan) -> Mapping[tuple[Step, ...], tuple[str, IPv4Network]]:
    """Return every pool of a plan with its name, by its place in the district."""
    found: dict[tuple[Step, ...], tuple[str, IPv4Network]] = {}
    for name in ("services", "loopbacks", "links"):
        found[(*_PLAN, name)] = (name, getattr(plan, name))
    for zone, prefix in plan.zones.items():
        found[(*_PLAN, "zones", zone)] = (f"zone '{zone}'", prefix)
    return found


@needing("settings")
def _overlap(district: District) -> Iterator[Finding]:
    seen: list[tuple[str, IPv4Network]] = []
    for at, (name, prefix) in pools(district.settings.addresses).items():
        for other, taken in seen:
            if prefix.overlaps(taken):
                yield Finding(at, f"the pool {prefix} of {name} overlaps {taken} of {other}")
        seen.append((name, prefix))


@needing("settings")
def _unusable(district: District) -> Iterator[Finding]:
    for at, (name, prefix) in pools(district.settings.addresses).items():
        here = prefix.network_address
        if here.is_multicast or here.is_loopback or here.is_link_local or here.is_reserved or here.is_unspecified:
            yield Finding(at, f"the pool {prefix} of {name} is not for hosts", "RFC 6890 keeps it for another purpose")


@needing("settings", "zones")
def _zones(district: District) -> Iterator[Finding]:
    plan, kinds = district.settings.addresses.zones, {zone.id: zone.kind for zone in district.zones}
    users = [zone for zone, kind in kinds.items() if kind == "user"]
    for name in plan:
        if name not in kinds:
            yield Finding((*_PLAN, "zones", name), f"district: {unknown('zone', name, users)}")
        elif kinds[name] != "user":
            at = (*_PLAN, "zones", name)
            yield Finding(at, f"zone '{name}' is external and has a pool", "its addresses are not the district's")
    for name in users:
        if name not in plan:
            yield Finding((*_PLAN, "zones"), f"user zone '{name}' has no pool", f"pools: {', '.join(sorted(plan))}")


@needing("settings", "zones")
def _network_too_large(district: District) -> Iterator[Finding]:
    plan = district.settings.addresses.zones
    for index, unit in enumerate(district.units):
        for place, vlan in enumerate(unit.vlans):
            pool = plan.get(vlan.zone)
            if pool is not None and vlan.prefixlen < pool.prefixlen:
                what = f"unit '{unit.id}': a /{vlan.prefixlen} does not fit into the pool of zone '{vlan.zone}'"
                yield Finding(("units", index, "vlans", place, "prefixlen"), what, f"the pool is {pool}")


@needing("settings", "devices", "links", "hosts", "units", "uplink", "services")
def _pool_too_small(district: District) -> Iterator[Finding]:
    needed = Counter[tuple[Step, ...]]()
    # The first address of a pool is not given to a node or service.
    needed[(*_PLAN, "loopbacks")] = 2 + len(district.devices) + len(district.units) + len(district.hosts)
    needed[(*_PLAN, "services")] = 1 + len(district.services)
    needed[(*_PLAN, "links")] = 2 * sum(1 for _ in declared_links(district))
    for unit in district.units:
        for vlan in unit.vlans:
            needed[(*_PLAN, "zones", vlan.zone)] += 1 << (32 - vlan.prefixlen)
    for at, (name, prefix) in pools(district.settings.addresses).items():
        if needed[at] > prefix.num_addresses:
            why = f"{prefix} has {prefix.num_addresses} addresses, {needed[at]} are needed"
            yield Finding(at, f"the pool of {name} is too small", why)


@needing("settings")
def _external(district: District) -> Iterator[Finding]:
    own = tuple(prefix for _, prefix in pools(district.settings.addresses).values())
    for index, zone in enumerate(district.zones):
        for place, prefix in enumerate(zone.prefixes):
            at = ("zones", index, "prefixes", place)
            for pool in own if zone.kind == "external" else ():
                if prefix != _DEFAULT and prefix.overlaps(pool):
                    yield Finding(at, f"zone '{zone.id}': {prefix} overlaps the district's own {pool}")


@needing("settings", "uplink")
def _accepted(district: District) -> Iterator[Finding]:
    own = tuple(prefix for _, prefix in pools(district.settings.addresses).values())
    for place, prefix in enumerate(district.uplink.accept):
        for pool in own:
            if prefix.subnet_of(pool):
                what = f"uplink: {prefix} is accepted from the city and lies in the district's own {pool}"
                yield Finding(("uplink", "accept", place), what)


CHECKS: tuple[Check, ...] = (
    _overlap,
    _unusable,
    _zones,
    _network_too_large,
    _pool_too_small,
    _external,
    _accepted,
)
