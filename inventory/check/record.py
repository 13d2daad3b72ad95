"""The address record against the district: complete, in its pools, nothing given twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from inventory.addressing import EMPTY, Owners, Record, owners
from inventory.check.finding import Finding
from inventory.model import District
from inventory.source import Step

_ALLOCATE = "netdr inventory allocate"
_MOVE = f"remove its line, then: {_ALLOCATE}"
_NOUNS = {"loopbacks": "loopback", "links": "link network", "services": "service address", "nets": "user network"}
RecordCheck = Callable[[District, Record], Iterable[Finding]]


def _missing(district: District, record: Record) -> Iterator[Finding]:
    if record == EMPTY:
        yield Finding((), "no addresses are recorded", hint=_ALLOCATE)
        return
    for at, noun, needed, present in _tables(owners(district), record):
        names = [name for name in needed if name not in present]
        if names:
            yield Finding(at, f"no {noun} is recorded for {_listed(names)}", hint=_ALLOCATE)


def _stale(district: District, record: Record) -> Iterator[Finding]:
    for at, noun, needed, present in _tables(owners(district), record):
        names = [name for name in present if name not in needed]
        if names:
            yield Finding((*at, names[0]), f"a {noun} is recorded for {_listed(names)}", "no such owner", _ALLOCATE)
    for node in record.ports.keys() - owners(district).ports.keys():
        yield Finding(("ports", node), f"ports are recorded for '{node}'", "no such owner", _ALLOCATE)


def _tables(
    need: Owners, record: Record
) -> Iterator[tuple[tuple[Step, ...], str, Mapping[str, Any] | tuple[str, ...], Mapping[str, Any]]]:
    yield ("loopbacks",), _NOUNS["loopbacks"], need.nodes, record.loopbacks
    yield ("links",), _NOUNS["links"], need.links, record.links
    yield ("services",), _NOUNS["services"], need.services, record.services
    yield ("nets",), _NOUNS["nets"], need.nets, record.nets
    for node, users in need.ports.items():
        yield ("ports", node), f"port of '{node}'", users, record.ports.get(node, {})


def _outside(district: District, record: Record) -> Iterator[Finding]:
    plan, need = district.settings.addresses, owners(district)
    pools = {name: getattr(plan, name) for name in ("loopbacks", "links", "services")}
    for table, name, prefix in _prefixes(record):
        zone = need.nets.get(name, ("", 0))[0]
        pool = pools[table] if table in pools else plan.zones.get(zone)
        if pool is not None and not prefix.subnet_of(pool):
            what = f"{_NOUNS[table]} {_address(prefix)} of '{name}' is outside its pool {pool}"
            yield Finding((table, name), what, hint=_MOVE)


def _lengths(district: District, record: Record) -> Iterator[Finding]:
    need = owners(district)
    wanted = {("links", name): 31 for name in need.links}
    wanted |= {("nets", name): prefixlen for name, (_, prefixlen) in need.nets.items()}
    for table, name, prefix in _prefixes(record):
        length = wanted.get((table, name), prefix.prefixlen)
        if prefix.prefixlen != length:
            what = f"{_NOUNS[table]} {prefix} of '{name}' is recorded, a /{length} is asked for"
            yield Finding((table, name), what, hint=_MOVE)


def _twice(_: District, record: Record) -> Iterator[Finding]:
    """Yield each recorded prefix that overlaps one that begins before it, or at the same address."""
    furthest: tuple[str, IPv4Network] | None = None
    for table, name, prefix in sorted(_prefixes(record), key=lambda entry: entry[2]):
        if furthest and prefix.overlaps(furthest[1]):
            what = f"{_NOUNS[table]} {_address(prefix)} of '{name}' overlaps {_address(furthest[1])} of '{furthest[0]}'"
            yield Finding((table, name), what, hint=_MOVE)
        if furthest is None or prefix.broadcast_address > furthest[1].broadcast_address:
            furthest = (name, prefix)


def _ports(district: District, record: Record) -> Iterator[Finding]:
    pins = owners(district).ports
    for node, ports in record.ports.items():
        taken: dict[str, str] = {}
        for user, port in ports.items():
            pinned = pins.get(node, {}).get(user)
            if pinned and pinned != port:
                what = f"port '{port}' of '{node}' is recorded for '{user}', devices.yaml says '{pinned}'"
                yield Finding(("ports", node, user), what, hint=_ALLOCATE)
            if port in taken:
                what = f"port '{port}' of '{node}' is recorded for '{taken[port]}' and for '{user}'"
                yield Finding(("ports", node, user), what, hint=_MOVE)
            taken.setdefault(port, user)


def _prefixes(record: Record) -> Iterator[tuple[str, str, IPv4Network]]:
    for table in ("loopbacks", "links", "services", "nets"):
        for name, value in getattr(record, table).items():
            yield table, name, IPv4Network(value)


def _address(prefix: IPv4Network) -> str:
    return str(prefix.network_address) if prefix.prefixlen == 32 else str(prefix)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


CHECKS: tuple[RecordCheck, ...] = (_missing, _outside, _lengths, _twice, _ports)
WARNINGS: tuple[RecordCheck, ...] = (_stale,)
