"""A name stands for one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from inventory.check.finding import Check, Finding
from inventory.links import access_id
from inventory.model import District
from inventory.source import Step

# What people name to netdr shares one name space: sites and units are both places, nodes and services both answer.
_SHARED = (
    ("sites", "site"),
    ("devices", "device"),
    ("hosts", "host"),
    ("units", "unit"),
    ("services", "service"),
    ("assets", "asset"),
)
_OWN = (("zones", "zone"), ("classes", "class"), ("rules", "rule"), ("protections", "protection"))

Named = Iterable[tuple[tuple[Step, ...], str, str]]


def _twice(names: Named, made: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Yield each name that was given before, or that netdr makes of another one."""
    first = dict(made or {})
    for at, name, owner in names:
        if name in first:
            yield Finding(at, f"{owner}: the id '{name}' is taken", f"by {first[name]}")
        else:
            first[name] = owner


def _shared(district: District) -> Iterator[Finding]:
    made = {access_id(unit.id): f"the access switch of unit '{unit.id}'" for unit in district.units}
    made |= {f"host-{unit.id}": f"the user host of unit '{unit.id}'" for unit in district.units}
    yield from _twice(_shared_names(district), made)


def _shared_names(district: District) -> Named:
    if uplink := getattr(district, "uplink", None):
        yield ("uplink", "id"), uplink.id, f"uplink '{uplink.id}'"
    for field, noun in _SHARED:
        for index, entry in enumerate(getattr(district, field)):
            yield (field, index, "id"), entry.id, f"{noun} '{entry.id}'"


def _own(district: District) -> Iterator[Finding]:
    for field, noun in _OWN:
        entries = getattr(district, field)
        yield from _twice(((field, n, "id"), entry.id, f"{noun} '{entry.id}'") for n, entry in enumerate(entries))


def _vlans(district: District) -> Iterator[Finding]:
    for index, unit in enumerate(district.units):
        for what in ("id", "name"):
            seen: set[object] = set()
            for place, vlan in enumerate(unit.vlans):
                value = getattr(vlan, what)
                if value in seen:
                    at = ("units", index, "vlans", place, what)
                    yield Finding(at, f"unit '{unit.id}': two VLANs have the {what} '{value}'")
                seen.add(value)


CHECKS = (Check(_shared), Check(_own), Check(_vlans))
