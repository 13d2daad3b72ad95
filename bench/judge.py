"""Whether a switch, after each command, is managed, its filters are whole, its gateways and VLANs are there.

Independent of the planner: packets are tried on the rules one by one, VLANs on the ports one by one. Something is
violated when it is so before and after the whole change, but not now.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import product
from typing import Any

from switch import Switch

from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.tree import parse

_ADDRESS = r"any|host \S+|[\d.]+ [\d.]+"
_POSITIONS = re.compile(rf"(permit|deny) (\w+) ({_ADDRESS}) ({_ADDRESS})(?: eq (\d+))?")
_KEYWORDS = re.compile(
    r"(permit|deny) (\w+)(?: source ([\d.]+ [\d.]+))?"
    r"(?: destination ([\d.]+ [\d.]+))?(?: destination-port eq (\d+))?(?: precedence (\d))?"
)
_APPLIED = re.compile(
    r"ip access-group (?P<ios>\S+) (?P<w1>in|out)|access-class (?P<vty>\S+) in|acl (?P<ui>\d+) inbound"
    r"|ssh server acl (?P<ssh>\S+)|traffic-filter (?P<w2>inbound|outbound) acl (?P<vrp>\S+)"
    r"|packet-filter (?P<comware>\S+) (?P<w3>inbound|outbound)"
)
_OUT = " outward"
_ROUTE = re.compile(r"ip route(?:-static)? (\S+) (\S+) (\S+)")
_SVI = re.compile(r"interface Vlan(?:if|-interface)?(\d+)")


@dataclass(frozen=True)
class Packet:
    """One packet."""

    proto: str
    source: IPv4Address
    target: IPv4Address
    port: int = 0
    precedence: int = 0


@dataclass(frozen=True)
class Managed:
    """How the switch must stay reachable."""

    address: str
    source: str
    uplinks: tuple[str, ...]


@dataclass
class View:
    """What can be seen of a switch at one moment. ``carried``: (port, VLAN, tagged); ``filters``: place → rules."""

    switch: Switch
    up: set[str] = field(default_factory=set)
    addresses: dict[str, IPv4Interface] = field(default_factory=dict)
    vlans: set[int] = field(default_factory=set)
    carried: set[tuple[str, int, bool]] = field(default_factory=set)
    routed: set[str] = field(default_factory=set)
    filters: dict[str, list[str] | None] = field(default_factory=dict)
    permissive: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, switch: Switch) -> View:
        """Look at a switch."""
        view = cls(switch)
        for header, section in switch.lines.items():
            if header.startswith("interface "):
                view._interface(header, set(section))
            if found := re.fullmatch(r"vlan (\d+)", header):
                view.vlans.add(int(found[1]))
            view._filter(header, list(section) or [header], header.startswith("interface ") and switch.tongue.strict)
        view.routed = set(view._routed())
        return view

    def _interface(self, header: str, lines: set[str]) -> None:
        if "shutdown" not in lines:
            self.up.add(header)
        for line in lines:
            if found := re.fullmatch(r"ip address (\S+) (\S+)", line):
                self.addresses[header] = IPv4Interface(f"{found[1]}/{found[2]}")
        if re.fullmatch(self.switch.tongue.port, header):
            self.carried |= {(header, vlan, tagged) for vlan, tagged in self._carries(header, lines)}

    def _carries(self, header: str, lines: set[str]) -> Iterator[tuple[int, bool]]:
        if "shutdown" in lines:
            return
        if lines & {"switchport mode trunk", "port link-type trunk"}:
            everything = frozenset() if self.switch.tongue.strict else frozenset(range(1, 4095))
            yield from ((vlan, True) for vlan in self.switch.trunks.get(header, everything))
            return
        for line in lines:
            if found := re.fullmatch(r"(?:switchport|port) (?:access|default) vlan (\d+)", line):
                yield int(found[1]), False

    def _filter(self, header: str, lines: list[str], permissive: bool) -> None:
        for line in lines:
            if found := _APPLIED.fullmatch(line):
                words = {key: word for key, word in found.groupdict().items() if word}
                outward = any(key.startswith("w") and word.startswith("out") for key, word in words.items())
                place = "logins" if header == line else f"{header}{_OUT if outward else ''}"
                name = next(word for key, word in words.items() if not key.startswith("w"))
                self.filters[place] = self.switch.acls().get(name)
                self.permissive |= {place} if permissive else set()

    def _routed(self) -> Iterator[str]:
        near = [one.network for at, one in self.addresses.items() if at in self.up]
        for line in self.switch.lines:
            found = _ROUTE.fullmatch(line)
            if found and any(IPv4Address(found[3]) in network for network in near):
                yield str(IPv4Network(f"{found[1]}/{found[2]}"))

    def active(self, place: str) -> bool:
        """Whether packets can meet a filter at a place."""
        header = place.removesuffix(_OUT)
        return not header.startswith("interface ") or (header in self.up and header in self.addresses)

    def passes(self, place: str, packet: Packet) -> bool:
        """Whether a packet gets through at a place. Nothing applied, or a list without rules: everything does."""
        for rule in self.filters.get(place) or ():
            if matches(rule, packet):
                return rule.startswith("permit")
        return not self.filters.get(place) or place in self.permissive


@dataclass(frozen=True)
class Rule:
    """A rule as numbers: addresses are (value, bits that do not count)."""

    proto: str
    source: tuple[int, int]
    target: tuple[int, int]
    port: int
    precedence: int


@cache
def rule_of(text: str) -> Rule:
    """Return what a rule's text says, in either style. Raise ValueError if it is not understood."""
    if found := _POSITIONS.fullmatch(text):
        _, proto, source, target, port = found.groups()
        precedence = None
    elif found := _KEYWORDS.fullmatch(text):
        _, proto, source, target, port, precedence = found.groups()
    else:
        raise ValueError(text)
    return Rule(proto, _span(source), _span(target), int(port or 0), int(precedence or -1))


def matches(text: str, packet: Packet) -> bool:
    """Whether a rule matches a packet. Raise ValueError if the rule is not understood."""
    rule = rule_of(text)
    return (
        rule.proto in {"ip", packet.proto}
        and int(packet.source) | rule.source[1] == rule.source[0] | rule.source[1]
        and int(packet.target) | rule.target[1] == rule.target[0] | rule.target[1]
        and rule.port in {0, packet.port}
        and rule.precedence in {-1, packet.precedence}
    )


def _span(text: str | None) -> tuple[int, int]:
    if text in {None, "any"}:
        return 0, 2**32 - 1
    first, _, wildcard = str(text).removeprefix("host ").partition(" ")
    return int(IPv4Address(first)), int(IPv4Address(wildcard)) if "." in wildcard else 0


def _said(switch: Switch) -> set[str]:
    """Return every line with its sections, apart from filters' lists and where they are applied."""
    tongue = switch.tongue

    def lines(section: Mapping[str, Any], above: str) -> Iterator[str]:
        for line, inner in section.items():
            if not re.fullmatch(tongue.acl, line) and not _APPLIED.fullmatch(line):
                yield f"{above}{line}"
                yield from lines(inner, f"{above}{line} / ")

    return set(lines(switch.lines, ""))


def packets(rules: Sequence[str]) -> list[Packet]:
    """Return packets that rules may treat differently: every protocol from, and to, every address they name."""
    named = {IPv4Address(text) for rule in rules for text in re.findall(r"\d+\.\d+\.\d+\.\d+", rule)}
    named = {address for address in named if int(address) & 0xFF000000 not in {0, 0xFF000000}}
    addresses = sorted(named | {IPv4Address("10.0.10.7"), IPv4Address("198.51.100.1")})
    ports = sorted({22, 9999, *(int(port) for rule in rules for port in re.findall(r"eq (\d+)", rule))})
    kinds = [("icmp", 0), ("gre", 0), *((proto, port) for proto in ("tcp", "udp") for port in ports)]
    combinations = product(addresses, addresses, kinds)
    return [
        Packet(proto, one, other, port, number % 8) for number, (one, other, (proto, port)) in enumerate(combinations)
    ]


class Judge:
    """Judges the way from one configuration to another."""

    def __init__(self, dialect: Dialect, running: str, intended: str, managed: Managed) -> None:
        self._start = Switch.loaded(dialect, parse(running, dialect))
        self._goal = Switch.loaded(dialect, parse(intended, dialect))
        self._old, self._new, self._managed = View.of(self._start), View.of(self._goal), managed
        self._tried = {
            place: packets([*(self._old.filters.get(place) or ()), *(self._new.filters.get(place) or ())])
            for place in sorted({*self._old.filters, *self._new.filters})
        }
        self._stays = _said(self._start) & _said(self._goal)
        self._verdicts: dict[tuple[str, tuple[str, ...] | None], tuple[bool, ...]] = {}

    def judge(self, commands: Sequence[str]) -> Verdict:
        """Type a command list and return what was wrong after each of its prefixes, and how it ended."""
        switch = copy.deepcopy(self._start)
        switch.refused = []
        unsafe: list[tuple[str, str]] = []
        lost: dict[str, None] = {}
        for command in commands:
            switch.type(command)
            # Leaving a section changes nothing, and not every tool says it: it is not counted.
            if command == switch.tongue.leave:
                continue
            wrong = next(self.violations(switch), "")
            lost |= dict.fromkeys(sorted(self._stays - _said(switch)))
            if wrong:
                unsafe.append((command, wrong))
        return Verdict(tuple(unsafe), tuple(lost), tuple(switch.refused), switch.shape() == self._goal.shape())

    def violations(self, switch: Switch) -> Iterator[str]:
        """Yield what is wrong with a switch now."""
        now = View.of(switch)
        yield from self._management(now)
        yield from self._filters(now)
        yield from self._gateways(now)
        yield from self._vlans(now)

    def _management(self, now: View) -> Iterator[str]:
        how = self._managed
        at = next((at for at, one in now.addresses.items() if str(one.ip) == how.address), "")
        vlan = int(found[1]) if (found := _SVI.fullmatch(at)) else 0
        if not at or at not in now.up:
            yield "management: no address"
            return
        if vlan not in now.vlans or not any((f"interface {port}", vlan, True) in now.carried for port in how.uplinks):
            yield f"management: VLAN {vlan} on no uplink"
        source = IPv4Address(how.source)
        if not any(source in IPv4Network(network) for network in now.routed):
            yield "management: no route back"
        session = Packet("tcp", source, IPv4Address(how.address), 22)
        for place in (at, *(place for place in now.filters if not place.startswith("interface "))):
            if not now.passes(place, session):
                yield f"management: stopped at {place}"

    def _filters(self, now: View) -> Iterator[str]:
        for place, tried in self._tried.items():
            ends = [end for end in (self._old, self._new) if end.active(place)]
            if not now.active(place) or not ends:
                continue
            if place in now.filters and not now.filters[place]:
                yield f"filter at {place}: empty"
            if place not in now.filters and all(place in end.filters for end in ends):
                yield f"filter at {place}: none"
            verdicts = [self._passing(end, place, tried) for end in (now, *ends)]
            if any(first not in rest for first, *rest in zip(*verdicts, strict=True)):
                yield f"filter at {place}: neither old nor new"

    def _passing(self, view: View, place: str, tried: Sequence[Packet]) -> tuple[bool, ...]:
        rules = view.filters.get(place)
        key = (place, None if rules is None else tuple(rules))
        if key not in self._verdicts:
            self._verdicts[key] = tuple(view.passes(place, packet) for packet in tried)
        return self._verdicts[key]

    def _gateways(self, now: View) -> Iterator[str]:
        for network in sorted(self._old.routed & self._new.routed - now.routed):
            yield f"gateway: no way to {network}"
        for at in sorted(self._old.addresses.keys() & self._new.addresses.keys() - now.addresses.keys()):
            yield f"gateway: {at} has no address"
        for at in sorted(self._old.up & self._new.up - now.up):
            yield f"gateway: {at} is down"

    def _vlans(self, now: View) -> Iterator[str]:
        for vlan in sorted(self._old.vlans & self._new.vlans - now.vlans):
            yield f"VLAN {vlan} is gone"
        lost = (self._old.carried & self._new.carried) - now.carried
        leaked = now.carried - self._old.carried - self._new.carried
        for port, vlan, _ in sorted(lost)[:1]:
            yield f"VLAN {vlan} is cut at {port}"
        for port, vlan, _ in sorted(leaked)[:1]:
            yield f"VLAN {vlan} leaks at {port}"


@dataclass(frozen=True)
class Verdict:
    """What came of a command list.

    ``unsafe``: (command, what was wrong after it); ``lost``: lines of both configurations, apart from filters, that
    were missing on the way; ``refused``: commands that a device answers with an error; whether it ``arrived``.
    """

    unsafe: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]
    refused: tuple[str, ...]
    arrived: bool
