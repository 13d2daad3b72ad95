"""What a state means for traffic: interfaces, VLANs, routes and filters. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from nornir_tasks.patch.dialect import Path, Point
from nornir_tasks.patch.model import Device, State

_ALL = range(1, 4095)

Place = tuple[str, str]
Applied = tuple[Point, str]


@dataclass
class Facts:
    """The meaning of one state. ``lists`` holds the texts of each list's rules in their order."""

    shut: set[str] = field(default_factory=set)
    interfaces: set[str] = field(default_factory=set)
    svis: dict[str, int] = field(default_factory=dict)
    vlans: set[int] = field(default_factory=lambda: {1})
    addresses: dict[str, set[IPv4Interface]] = field(default_factory=dict)
    trunks: set[str] = field(default_factory=set)
    limited: set[str] = field(default_factory=set)
    tagged: set[tuple[str, int]] = field(default_factory=set)
    access: set[tuple[str, int]] = field(default_factory=set)
    routes: dict[IPv4Network, set[IPv4Address]] = field(default_factory=dict)
    dynamic: bool = False
    applied: dict[Place, list[Applied]] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def connected(self) -> set[IPv4Network]:
        """The networks of interfaces that are not shut."""
        return {one.network for at, found in self.addresses.items() if at not in self.shut for one in found}

    @cached_property
    def carried(self) -> dict[tuple[str, bool], frozenset[int]]:
        """The VLANs of each (port, tagged) that is not shut."""
        tagged = {at: {vlan for port, vlan in self.tagged if port == at} for at in self.trunks - self.shut}
        trunks = {(at, True): frozenset(vlans if at in self.limited else _ALL) for at, vlans in tagged.items()}
        access = {(at, False): frozenset({vlan}) for at, vlan in self.access if at not in self.trunks | self.shut}
        return {**trunks, **access}

    def carriers(self, vlan: int) -> set[str]:
        """Return the ports that carry a VLAN."""
        return {at for (at, _), vlans in self.carried.items() if vlan in vlans}

    def resolved(self, network: IPv4Network) -> bool:
        """Whether a network has a static route whose next hop is on a connected network."""
        return any(hop in near for hop in self.routes.get(network, ()) for near in self.connected)

    def reaches(self, network: IPv4Network) -> bool:
        """Whether packets to a network have a way: connected, static, or what a routing protocol may learn."""
        routed = any(network.subnet_of(to) and self.resolved(to) for to in self.routes)
        return self.dynamic or routed or any(network.subnet_of(near) for near in self.connected)

    def works(self, at: str) -> bool:
        """Whether an interface is there and packets can come to it: not shut, and with an address if it needs one."""
        is_layer3 = at in self.svis or at in self.addresses
        return at in self.interfaces - self.shut and (not is_layer3 or bool(self.addresses.get(at)))


class Reader:
    """Reads facts of states of one device; what a path means is looked up once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._known: dict[Path, tuple[tuple[str, Mapping[str, str]], ...]] = {}

    def read(self, state: State) -> Facts:
        """Return what a state means."""
        facts = Facts()
        rules: dict[str, list[tuple[int, str]]] = {}
        for path in state.paths:
            for kind, words in self.meanings(path):
                if kind == "rule":
                    rules.setdefault(words["list"], []).append((int(words["seq"]), words["text"]))
                elif kind in _FACTS:
                    _FACTS[kind](facts, words)
        for name, found in rules.items():
            facts.lists[name] = tuple(text for _, text in sorted(found))
        for path in state.paths:
            for place, point, name in self.applications(path):
                facts.applied.setdefault(place, []).append((point, name))
        return facts

    def meanings(self, path: Path) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """Return (kind, words) for everything that a path means."""
        if path not in self._known:
            self._known[path] = tuple(self._meanings(path))
        return self._known[path]

    def applications(self, path: Path) -> list[tuple[Place, Point, str]]:
        """Return where a path applies which list."""
        points = self._device.dialect.points
        return [
            ((words["at"], words["way"]), points[int(kind)], words["list"])
            for kind, words in self.meanings(path)
            if kind.isdigit()
        ]

    def _meanings(self, path: Path) -> Iterable[tuple[str, Mapping[str, str]]]:
        text, dialect = "\n".join(path), self._device.dialect
        points = [(str(place), point.path) for place, point in enumerate(dialect.points)]
        for kind, pattern in (*dialect.facts, *points, ("list", dialect.lists.header)):
            if found := re.fullmatch(pattern, text):
                yield kind, found.groupdict()
        header = re.fullmatch(dialect.lists.header, path[0]) if len(path) == 2 else None
        rule = self._device.rule(path[-1]) if header else None
        if header and rule and not rule[1].startswith("remark "):
            yield "rule", {"list": header["list"], "seq": str(rule[0]), "text": rule[1]}


def _address(facts: Facts, words: Mapping[str, str]) -> None:
    facts.addresses.setdefault(words["at"], set()).add(IPv4Interface(f"{words['address']}/{words['mask']}"))


def _route(facts: Facts, words: Mapping[str, str]) -> None:
    to = IPv4Network(f"{words['network']}/{words['mask']}", strict=False)
    facts.routes.setdefault(to, set()).add(IPv4Address(words["hop"]))


def _gateway(facts: Facts, words: Mapping[str, str]) -> None:
    _route(facts, {"network": "0.0.0.0", "mask": "0", "hop": words["hop"]})  # noqa: S104 - a route, nothing listens


def _dynamic(facts: Facts, _: Mapping[str, str]) -> None:
    facts.dynamic = True


_FACTS: dict[str, Callable[[Facts, Mapping[str, str]], object]] = {
    "shut": lambda facts, words: facts.shut.add(words["at"]),
    "interface": lambda facts, words: facts.interfaces.add(words["at"]),
    "svi": lambda facts, words: facts.svis.update({words["at"]: int(words["vlan"])}),
    "vlan": lambda facts, words: facts.vlans.add(int(words["vlan"])),
    "address": _address,
    "trunk": lambda facts, words: facts.trunks.add(words["at"]),
    "limited": lambda facts, words: facts.limited.add(words["at"]),
    "tagged": lambda facts, words: facts.tagged.add((words["at"], int(words["vlan"]))),
    "access": lambda facts, words: facts.access.add((words["at"], int(words["vlan"]))),
    "route": _route,
    "gateway": _gateway,
    "dynamic": _dynamic,
    "list": lambda facts, words: facts.lists.setdefault(words["list"], ()),
}
