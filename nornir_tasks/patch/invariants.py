"""What must hold after every single command: what is so before and after the whole change is so all the time. Pure.

Besides lines and members that both configurations have, that is: an applied filter lets each kind of packet through if
both do and stops it if both do; networks that both route are routed; an interface that has an address in both has one;
and the device is reached at its management address from the management sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from nornir_tasks.patch.dialect import Need, Path, Point
from nornir_tasks.patch.facts import Facts, Place, Reader
from nornir_tasks.patch.model import Device, State
from nornir_tasks.patch.rules import Match, Universe, packet, understood

Texts = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Management:
    """How the device is managed: the ``address`` the session is to, the networks it comes from, the TCP port.

    ``uplinks`` are the ports that lead there, if they are known; otherwise any port that carries the VLAN is one.
    """

    address: IPv4Address
    sources: tuple[IPv4Network, ...]
    uplinks: tuple[str, ...] = ()
    port: int = 22


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: its name, and what is wrong."""

    invariant: str
    what: str


class Invariants:
    """Says what is violated in a state on the way from one state to another."""

    def __init__(self, device: Device, old: State, new: State, management: Management | None = None) -> None:
        self._device, self._reader = device, Reader(device)
        self._old, self._new = old.paths, new.paths
        self._before, self._after = self._reader.read(old), self._reader.read(new)
        self._management = management
        self._verdicts: dict[tuple[Place, Texts, tuple[Texts, ...]], str] = {}
        self._needs = _Related(device.dialect.needs)
        self._bars = _Related(device.dialect.bars)
        self._admissions: dict[tuple[tuple[str, ...], IPv4Network, str], bool] = {}
        # What was broken to begin with cannot be kept.
        self._excused = {found.invariant for found in self._managed(self._before)} if management else set()

    def broken(self, state: State) -> tuple[Violation, ...]:
        """Return everything that is violated in a state."""
        facts = self._reader.read(state)
        return (
            *self._kept(state.paths),
            *self._hanging(state.paths),
            *self._filters(facts),
            *self._vlans(facts),
            *self._gateways(facts),
            *(found for found in self._managed(facts) if found.invariant not in self._excused),
        )

    def _kept(self, paths: frozenset[Path]) -> Iterator[Violation]:
        for path in (self._old & self._new) - paths:
            if not self._about_filters(path):
                yield Violation("what stays is not touched", f"'{' / '.join(path)}' is gone")
        for path in paths - self._old - self._new:
            if not self._about_filters(path):
                yield Violation("nothing strange comes", f"'{' / '.join(path)}' is in neither configuration")

    def _about_filters(self, path: Path) -> bool:
        return self._device.is_list(path) or bool(self._reader.applications(path))

    def _hanging(self, paths: frozenset[Path]) -> Iterator[Violation]:
        for path in paths:
            for other in self._needs.of(path):
                excused = any(path in known and other not in known for known in (self._old, self._new))
                if other not in paths and not excused:
                    yield Violation("nothing hangs", f"'{' / '.join(path)}' without '{' / '.join(other)}'")
            for other in self._bars.of(path):
                if other in paths:
                    yield Violation("nothing hangs", f"'{' / '.join(path)}' beside '{' / '.join(other)}'")

    def _filters(self, facts: Facts) -> Iterator[Violation]:
        for place in {*self._before.applied, *self._after.applied, *facts.applied}:
            what = self._filter(place, facts)
            if what:
                yield Violation("an applied filter is between old and new", f"{' '.join(place)}: {what}")

    def _filter(self, place: Place, facts: Facts) -> str:
        """Return what is wrong with the filter at a place; empty if nothing is."""
        applied = facts.applied.get(place, [])
        ends = [end for end in (self._before, self._after) if self._works(end, place)]
        if len(applied) > 1:
            return "two lists at once"
        if not self._works(facts, place) or not ends:
            return ""
        if applied and not facts.lists.get(applied[0][1]):
            return f"{applied[0][1]} is empty" if all(_filled(end, place) for end in ends) else ""
        return self._between(place, facts, ends)

    def _works(self, facts: Facts, place: Place) -> bool:
        """Whether packets can meet a filter at a place: logins always, interfaces if they work."""
        return facts.works(place[0]) or place[0] not in self._before.interfaces | self._after.interfaces

    def _between(self, place: Place, facts: Facts, ends: Sequence[Facts]) -> str:
        now, *found = (_rules(one, place) for one in (facts, *ends))
        key = (place, now, tuple(found))
        if key not in self._verdicts:
            self._verdicts[key] = "" if now in found else self._compared(self._point(place, facts), now, found)
        return self._verdicts[key]

    def _compared(self, point: Point, now: Texts, ends: Sequence[Texts]) -> str:
        """Return what is wrong with rules that are neither the old nor the new ones; None is no filter."""
        matches = [None if texts is None else self._understood(texts) for texts in (now, *ends)]
        if any(found is None and texts is not None for found, texts in zip(matches, (now, *ends), strict=True)):
            return "its rules are not understood, so only a swap of the whole list is safe"
        universe = Universe(match for found in matches for match in found or ())
        otherwise = universe.all if point.otherwise == "permit" else 0
        present, *known = (universe.all if found is None else universe.passing(found, otherwise) for found in matches)
        opened, closed = present, universe.all & ~present
        for mask in known:
            opened, closed = opened & ~mask, closed & mask
        return "lets through what it must not" if opened else "stops what must pass" if closed else ""

    def _understood(self, texts: Iterable[str]) -> tuple[Match, ...] | None:
        return understood(texts, self._device.dialect.lists.grammar)

    def _point(self, place: Place, facts: Facts) -> Point:
        return next(one.applied[place][0][0] for one in (facts, self._before, self._after) if place in one.applied)

    def _vlans(self, facts: Facts) -> Iterator[Violation]:
        none = frozenset[int]()
        for port in {*self._before.carried, *self._after.carried, *facts.carried}:
            now, *ends = (one.carried.get(port, none) for one in (facts, self._before, self._after))
            for vlan in sorted(ends[0] & ends[1] - now)[:1]:
                yield Violation("VLANs come and go alone", f"VLAN {vlan} is cut at {port[0]}")
            for vlan in sorted(now - ends[0] - ends[1])[:1]:
                yield Violation("VLANs come and go alone", f"VLAN {vlan} leaks at {port[0]}")

    def _gateways(self, facts: Facts) -> Iterator[Violation]:
        before, after = self._before, self._after
        for network in before.routes.keys() & after.routes.keys():
            works = before.resolved(network) and after.resolved(network)
            if network not in facts.routes or (works and not facts.resolved(network)):
                yield Violation("gateways are present", f"no way to {network}")
        for at in before.addresses.keys() & after.addresses.keys() - facts.addresses.keys():
            yield Violation("gateways are present", f"{at} has no address")

    def _managed(self, facts: Facts) -> Iterator[Violation]:
        how = self._management
        if how is None:
            return
        at = next((at for at, found in facts.addresses.items() if how.address in {one.ip for one in found}), None)
        if at is None or at in facts.shut:
            yield Violation("management address", f"{how.address} is on no interface that is up")
            return
        vlan = facts.svis.get(at)
        if vlan is not None and (vlan not in facts.vlans or not _led(facts.carriers(vlan), how.uplinks)):
            yield Violation("management VLAN", f"no uplink carries VLAN {vlan} of {at}")
        for source in how.sources:
            if not facts.reaches(source):
                yield Violation("management route", f"no way to {source}")
            for place in ((at, way) for way in ("in", "inbound")):
                yield from self._admitted(facts, place, source)
            for place in (place for place in facts.applied if place[0] not in facts.interfaces):
                yield from self._admitted(facts, place, source)

    def _admitted(self, facts: Facts, place: Place, source: IPv4Network) -> Iterator[Violation]:
        texts = _rules(facts, place)
        if texts and place[1] not in {"out", "outbound"}:
            point = facts.applied[place][0][0]
            key = (texts, source, point.otherwise)
            if key not in self._admissions:
                self._admissions[key] = self._admits(texts, source, point)
            if not self._admissions[key]:
                yield Violation("management filter", f"{' '.join(place)} stops {source}")

    def _admits(self, texts: tuple[str, ...], source: IPv4Network, point: Point) -> bool:
        """Whether rules let the management through; rules that are not understood are not held against it."""
        matches = self._understood(texts)
        if matches is None or self._management is None:
            return True
        asked = packet(source, self._management.address, self._management.port)
        universe = Universe([*matches, asked])
        passing = universe.passing(matches, universe.all if point.otherwise == "permit" else 0)
        return bool(passing & universe.mask(asked))


class _Related:
    """The paths that each path is related to; what belongs to a path is looked up once."""

    def __init__(self, needs: Iterable[Need]) -> None:
        self._patterns = [(re.compile(need.path), need.other) for need in needs]
        self._known: dict[Path, tuple[Path, ...]] = {}

    def of(self, path: Path) -> tuple[Path, ...]:
        if path not in self._known:
            text = "\n".join(path)
            found = ((pattern.fullmatch(text), other) for pattern, other in self._patterns)
            self._known[path] = tuple(tuple(other.format(**m.groupdict()).split("\n")) for m, other in found if m)
        return self._known[path]


def _led(carriers: set[str], uplinks: tuple[str, ...]) -> bool:
    return bool(carriers & set(uplinks)) if uplinks else bool(carriers)


def _rules(facts: Facts, place: Place) -> Texts:
    """Return the rules that are applied at a place; None if there is no filter."""
    applied = facts.applied.get(place)
    return facts.lists.get(applied[0][1], ()) if applied else None


def _filled(facts: Facts, place: Place) -> bool:
    return _rules(facts, place) != ()
