"""Who has which address and port: allocated once, deterministically, recorded, and never moved.

The record is the file ``addresses.yaml`` beside the inventory. ``allocate`` keeps every entry whose owner still exists,
so adding a unit in the middle of a list renumbers nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from inventory import platforms
from inventory.links import access_id, declared_links, link_name
from inventory.model import District
from inventory.pool import Pool


@dataclass(frozen=True, slots=True)
class Record:
    """The allocation of one district.

    ``loopbacks`` by node id; ``links`` (a /31 each) by link name; ``services`` by service id; ``nets`` by
    ``<unit>/<vlan>``; ``ports`` by node id, then by link name or ``vlan<id>``.
    """

    loopbacks: Mapping[str, IPv4Address]
    links: Mapping[str, IPv4Network]
    services: Mapping[str, IPv4Address]
    nets: Mapping[str, IPv4Network]
    ports: Mapping[str, Mapping[str, str]]


EMPTY = Record({}, {}, {}, {}, {})


@dataclass(frozen=True, slots=True)
class Owners:
    """Everything in a district that must have an address or a port, in inventory order.

    ``nodes`` gives the platform of each node, ``links`` both ends of each link, ``nets`` zone and length of each user
    network, ``ports`` the users of each node's ports with the name of the port if it is pinned.
    """

    nodes: Mapping[str, str]
    links: Mapping[str, tuple[str, str]]
    services: tuple[str, ...]
    nets: Mapping[str, tuple[str, int]]
    ports: Mapping[str, Mapping[str, str | None]]


def owners(district: District) -> Owners:
    """Given a checked district, return what needs an address or a port."""
    nodes = dict(node_platforms(district))
    ports: dict[str, dict[str, str | None]] = {node: {} for node in nodes}
    links = {}
    for _, link in declared_links(district):
        name = link_name(*link.ends)
        links[name] = link.ends
        for end in link.ends:
            ports[end][name] = link.ports.get(end)
    nets = {}
    for unit in district.units:
        for vlan in unit.vlans:
            nets[f"{unit.id}/{vlan.id}"] = (vlan.zone, vlan.prefixlen)
            ports[access_id(unit.id)][f"vlan{vlan.id}"] = None
    return Owners(nodes, links, tuple(service.id for service in district.services), nets, ports)


def allocate(district: District, record: Record | None = None) -> Record:
    """Given a checked district and the record so far, return a record that covers the district and nothing else.

    What is recorded for an owner that still exists stays as it is, except that a pinned port is always the one the
    inventory names. New owners get, in inventory order, the lowest free address or port.
    Raise InventoryError if a pool is full.
    """
    old, need, plan = record or EMPTY, owners(district), district.settings.addresses
    zones = {zone: Pool(f"zone '{zone}'", prefix) for zone, prefix in plan.zones.items()}
    loopbacks = _fill(Pool("loopbacks", plan.loopbacks), need.nodes, _hosts(old.loopbacks), 32)
    services = _fill(Pool("services", plan.services), need.services, _hosts(old.services), 32)
    return Record(
        loopbacks={node: prefix.network_address for node, prefix in loopbacks.items()},
        links=_fill(Pool("links", plan.links), need.links, old.links, 31),
        services={service: prefix.network_address for service, prefix in services.items()},
        nets=_fill_zones(zones, need.nets, old.nets),
        ports={node: _ports(need.nodes[node], users, old.ports.get(node, {})) for node, users in need.ports.items()},
    )


def changes(before: Record, after: Record) -> tuple[tuple[str, str, str], ...]:
    """Return each entry that differs as ``(entry, before, after)``, an empty text where there is none."""
    old, new = dict(_entries(before)), dict(_entries(after))
    names = (*new, *(name for name in old if name not in new))
    return tuple(
        (name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name, "") != new.get(name, "")
    )


def _entries(record: Record) -> Iterator[tuple[str, str]]:
    for table in ("loopbacks", "links", "services", "nets"):
        for name, value in getattr(record, table).items():
            yield f"{table} {name}", str(value)
    for node, ports in record.ports.items():
        for user, port in ports.items():
            yield f"ports {node} {user}", port


def node_platforms(district: District) -> Iterator[tuple[str, str]]:
    """Yield every node of a district with its platform: devices, access switches, hosts, the city."""
    for device in district.devices:
        yield device.id, device.platform
    for unit in district.units:
        yield access_id(unit.id), unit.platform
    for host in district.hosts:
        yield host.id, "server"
    yield district.uplink.id, "external"


def _hosts(addresses: Mapping[str, IPv4Address]) -> Mapping[str, IPv4Network]:
    return {owner: IPv4Network(address) for owner, address in addresses.items()}


def _fill(
    pool: Pool, needed: Iterable[str], recorded: Mapping[str, IPv4Network], prefixlen: int
) -> dict[str, IPv4Network]:
    names = tuple(needed)
    for name in names:
        if name in recorded:
            pool.keep(recorded[name])
    return {name: recorded[name] if name in recorded else pool.take(prefixlen, name) for name in names}


def _fill_zones(
    pools: Mapping[str, Pool], needed: Mapping[str, tuple[str, int]], recorded: Mapping[str, IPv4Network]
) -> dict[str, IPv4Network]:
    for name in needed.keys() & recorded.keys():
        for pool in pools.values():
            pool.keep(recorded[name])
    return {
        name: recorded[name] if name in recorded else pools[zone].take(prefixlen, name)
        for name, (zone, prefixlen) in needed.items()
    }


def _ports(platform: str, users: Mapping[str, str | None], recorded: Mapping[str, str]) -> dict[str, str]:
    fixed = {user: pinned or recorded.get(user) for user, pinned in users.items()}
    taken = {name for name in fixed.values() if name}
    free = (name for name in _names(platform) if name not in taken)
    return {user: name or next(free) for user, name in fixed.items()}


def _names(platform: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield platforms.port(platform, number)
