"""What the rules of a packet filter let through, over every kind of packet that they can tell apart. Pure.

A ``Universe`` holds one packet for each combination of what the rules distinguish, so that two lists that agree on it
agree on all packets. Sets of packets are the bits of an integer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import product

Span = tuple[int, int]
ANY: Span = (0, 2**32 - 1)
PORTS: Span = (0, 65535)
_NAMES = {
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "tacacs": 49,
    "domain": 53,
    "dns": 53,
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "www": 80,
    "ntp": 123,
    "snmp": 161,
    "snmptrap": 162,
    "bgp": 179,
    "syslog": 514,
}


@dataclass(frozen=True, slots=True)
class Match:
    """One rule. Addresses and ports are (first, last); ``basic``: it was written with a source only.

    ``precedence`` are the first three bits of the type of service, -1 for any.
    """

    permit: bool
    proto: str = "ip"
    src: Span = ANY
    dst: Span = ANY
    sport: Span = PORTS
    dport: Span = PORTS
    precedence: int = -1
    basic: bool = False


def parse(text: str, grammar: Sequence[str]) -> Match | None:
    """Return what a rule's text matches; None if it cannot be understood."""
    found = next(filter(None, (re.fullmatch(pattern, text) for pattern in grammar)), None)
    if found is None:
        return None
    said = found.groupdict()
    try:
        return Match(
            permit=said["action"] == "permit",
            proto=said.get("proto") or "ip",
            src=_addresses(said.get("src")),
            dst=_addresses(said.get("dst")),
            sport=_ports(said.get("sport")),
            dport=_ports(said.get("dport")),
            precedence=int(said.get("precedence") or -1),
            basic="proto" not in said,
        )
    except (KeyError, ValueError):
        return None


def understood(texts: Iterable[str], grammar: Sequence[str]) -> tuple[Match, ...] | None:
    """Return what the rules of a list match, remarks left out; None if one of them cannot be understood."""
    found = [parse(text, grammar) for text in texts if not text.startswith("remark ")]
    return None if None in found else tuple(match for match in found if match)


def _addresses(text: str | None) -> Span:
    """Return the addresses of ``any``, ``host A``, ``A`` or ``A WILDCARD``. Raise ValueError if they are no prefix."""
    if text in {None, "any"}:
        return ANY
    words = str(text).removeprefix("host ").split()
    wildcard = words[1] if len(words) > 1 else "0"
    mask = int(IPv4Address("0.0.0.0" if wildcard == "0" else wildcard))  # noqa: S104 - a wildcard, nothing listens
    if mask & (mask + 1):
        raise ValueError(text)
    first = int(IPv4Address(words[0])) & ~mask
    return first, first | mask


def _ports(text: str | None) -> Span:
    if text is None:
        return PORTS
    word, *values = text.split()
    low, high = (int(_NAMES.get(values[place], values[place])) for place in (0, -1))
    return {"eq": (low, low), "range": (low, high), "gt": (low + 1, 65535), "lt": (0, low - 1)}[word]


def parts(match: Match) -> tuple[Match, ...]:
    """Return rules that together match what one does, none of them written like it; empty if there are none."""
    if match.src[0] < match.src[1]:
        return tuple(replace(match, src=half) for half in _cut(match.src))
    if match.basic:
        return ()
    if match.dst[0] < match.dst[1]:
        return tuple(replace(match, dst=half) for half in _cut(match.dst))
    if match.precedence < 0:
        return tuple(replace(match, precedence=precedence) for precedence in range(8))
    return ()


def _cut(span: Span) -> tuple[Span, Span]:
    middle = sum(span) // 2
    return (span[0], middle), (middle + 1, span[1])


def written(match: Match) -> str:
    """Return a rule as Huawei and H3C write it. A span of addresses must be a prefix."""
    words = ["permit" if match.permit else "deny", *([] if match.basic else [match.proto])]
    for name, span, whole in (
        ("source", match.src, ANY),
        ("source-port", match.sport, PORTS),
        ("destination", match.dst, ANY),
        ("destination-port", match.dport, PORTS),
    ):
        if span != whole:
            words += [name, _range(span) if name.endswith("port") else _prefix(span)]
    return " ".join([*words, *([f"precedence {match.precedence}"] if match.precedence >= 0 else [])])


def _prefix(span: Span) -> str:
    return f"{IPv4Address(span[0])} {IPv4Address(span[1] - span[0]) if span[1] > span[0] else 0}"


def _range(span: Span) -> str:
    return f"eq {span[0]}" if span[0] == span[1] else f"range {span[0]} {span[1]}"


def packet(source: IPv4Network, address: IPv4Address, port: int) -> Match:
    """Return TCP from the first address of a network to a port of an address, as a rule that matches nothing else."""
    first, to = int(source.network_address), int(address)
    return Match(
        permit=True,
        proto="tcp",
        src=(first, first),
        dst=(to, to),
        sport=(50000, 50000),
        dport=(port, port),
        precedence=0,
    )


class Universe:
    """Every kind of packet that some rules can tell apart."""

    def __init__(self, matches: Iterable[Match]) -> None:
        found = tuple(matches)
        self._src = _samples([match.src for match in found])
        self._dst = _samples([match.dst for match in found])
        ports = product(_samples([match.sport for match in found]), _samples([match.dport for match in found]))
        kinds = [*product(("tcp", "udp"), ports), *(("icmp", (0, 0)), ("other", (0, 0)))]
        marks = range(8) if any(match.precedence >= 0 for match in found) else range(1)
        self._kinds = [(proto, *port, mark) for (proto, port), mark in product(kinds, marks)]
        self.all = (1 << (len(self._kinds) * len(self._dst) * len(self._src))) - 1
        self._masks: dict[Match, int] = {}

    def mask(self, match: Match) -> int:
        """Return the packets that a rule matches."""
        if match not in self._masks:
            self._masks[match] = self._outer(match)
        return self._masks[match]

    def passing(self, matches: Sequence[Match], otherwise: int) -> int:
        """Return the packets that a list lets through; ``otherwise`` are those that pass when no rule matches."""
        left, passed = self.all, 0
        for match in matches:
            hit = self.mask(match) & left
            passed |= hit if match.permit else 0
            left &= ~hit
        return passed | (left & otherwise)

    def _outer(self, match: Match) -> int:
        row = _bits(match.src[0] <= address <= match.src[1] for address in self._src)
        width = len(self._src)
        block = sum(row << (place * width) for place, to in enumerate(self._dst) if match.dst[0] <= to <= match.dst[1])
        width *= len(self._dst)
        return sum(block << (place * width) for place, kind in enumerate(self._kinds) if _is_kind(match, *kind))


def _is_kind(match: Match, proto: str, sport: int, dport: int, mark: int) -> bool:
    if match.proto not in {"ip", proto} or match.precedence not in {-1, mark}:
        return False
    if proto not in {"tcp", "udp"}:
        return match.sport == PORTS and match.dport == PORTS
    return match.sport[0] <= sport <= match.sport[1] and match.dport[0] <= dport <= match.dport[1]


def _samples(spans: Iterable[Span]) -> list[int]:
    """Return one value of every range that the spans cut the numbers into."""
    return sorted({0, *(low for low, _ in spans), *(high + 1 for _, high in spans if high < ANY[1])})


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)
