"""What an nftables file lets pass. Pure: it knows the words that a router's own protection is written in.

A rule with a word that is not known counts against the packet: it never lets one pass, and refuses what it may refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from nornir_tasks.reach import Packet

# What stands between braces, or after commas: several values, each of several words.
Values = tuple[tuple[str, ...], ...]
Rule = tuple[str | Values, ...]
Verdict = Literal["accept", "drop", "return"]

_TOKEN = re.compile(r'"[^"]*"|[{};,\n]|!=|[^\s{};,"]+')
_COMMENT = re.compile(r"#[^\n]*")
# What begins a part in braces that holds statements rather than values.
_BLOCKS = {"table", "chain", "set", "map"}
# What of a packet a match looks at.
_FIELDS = {
    ("iifname",): "inward",
    ("oifname",): "outward",
    ("ip", "saddr"): "source",
    ("ip", "daddr"): "destination",
    ("ip", "protocol"): "protocol",
    ("meta", "l4proto"): "protocol",
    ("ip", "ttl"): "ttl",
    ("tcp", "dport"): "tcp",
    ("udp", "dport"): "udp",
    ("icmp", "type"): "icmp",
    ("ct", "state"): "state",
}
# Statements that decide nothing, with the number of words that belong to them.
_SILENT = {"counter": 0, "comment": 1, "log": 0, "prefix": 1, "level": 1}
# Deeper jumps than the kernel's own limit (NFT_JUMP_STACK_SIZE) are a loop.
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain's rules; ``hook`` is empty unless packets enter here."""

    hook: str
    policy: Verdict
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Ruleset:
    """A filter in the sense of ``reach.Filter``: all tables of a file together. Names are ``table/chain``."""

    chains: Mapping[str, Chain]
    sets: Mapping[str, Values]

    def accepts(self, packet: Packet) -> bool:
        """Return whether every chain that sees the packet surely lets it pass."""
        hooks = {"prerouting", "forward", "postrouting"} if packet.outward else {"prerouting", "input"}
        looking = _Looking(packet, self)
        return all(looking.through(name) == "accept" for name, chain in self.chains.items() if chain.hook in hooks)


@dataclass(frozen=True)
class _Block:
    header: Rule
    items: list[Rule | _Block]


def ruleset(text: str) -> Ruleset:
    """Return what a file says. Parts whose braces do not close end with the file."""
    chains: dict[str, Chain] = {}
    sets: dict[str, Values] = {}
    for table in _blocks(_items(iter(_TOKEN.findall(_COMMENT.sub("", text))))):
        for block in _blocks(table.items):
            name = f"{table.header[-1]}/{block.header[1]}"
            rules = [item for item in block.items if not isinstance(item, _Block)]
            if block.header[0] == "chain":
                chains[name] = _chain(rules)
            else:
                sets[name] = tuple(
                    value for rule in rules if rule[:2] == ("elements", "=") for value in _values(rule[2])
                )
    return Ruleset(chains, sets)


def _blocks(items: Iterable[Rule | _Block]) -> Iterator[_Block]:
    return (item for item in items if isinstance(item, _Block) and len(item.header) > 1)


def _items(marks: Iterator[str]) -> list[Rule | _Block]:
    """Return the statements and blocks up to the end of the block they are in."""
    found: list[Rule | _Block] = []
    words: list[str | Values] = []
    joining = False
    for mark in marks:
        if mark in {"\n", ";", "}"}:
            if words:
                found.append(tuple(words))
            words = []
            if mark == "}":
                break
        elif mark == "{" and words and words[0] in _BLOCKS:
            found.append(_Block(tuple(words), _items(marks)))
            words = []
        elif mark == "{":
            words.append(_braces(marks))
        elif joining and words:
            words[-1] = (*_values(words[-1]), (mark.strip('"'),))
        elif mark != ",":
            words.append(mark.strip('"'))
        joining = mark == ","
    return found


def _braces(marks: Iterator[str]) -> Values:
    values: list[tuple[str, ...]] = []
    words: list[str] = []
    for mark in marks:
        if mark in {",", "}"}:
            values += [tuple(words)] if words else []
            words = []
            if mark == "}":
                break
        elif mark != "\n":
            words.append(mark.strip('"'))
    return tuple(values)


def _values(word: str | Values) -> Values:
    return ((word,),) if isinstance(word, str) else word


def _chain(rules: Sequence[Rule]) -> Chain:
    hook, policy = "", "accept"
    for rule in rules:
        if rule[0] == "type" and "hook" in rule:
            hook = str(rule[rule.index("hook") + 1])
        if rule[0] == "policy":
            policy = str(rule[1])
    body = tuple(rule for rule in rules if rule[0] not in {"type", "policy"})
    return Chain(hook, "accept" if policy == "accept" else "drop", body)


@dataclass(frozen=True)
class _Looking:
    """One packet on its way through a ruleset."""

    packet: Packet
    rules: Ruleset

    def through(self, name: str, depth: int = 0) -> Verdict:
        """Return what a chain makes of the packet; a chain that packets enter at decides, by its policy if need be."""
        chain = self.rules.chains.get(name)
        if chain is None or depth > _DEEPEST:
            return "drop"
        verdict: Verdict = next(filter(None, (self._rule(name, rule, depth) for rule in chain.rules)), "return")
        return chain.policy if chain.hook and verdict == "return" else verdict

    def _rule(self, name: str, rule: Rule, depth: int) -> Verdict | None:
        """Return the verdict of a rule, None if it has none or does not concern the packet."""
        table = name.partition("/")[0]
        words = list(rule)
        sure = True
        while words:
            fields = _fields(words)
            if fields:
                matched = self._matches(table, fields, words)
                if matched is False:
                    return None
                sure = sure and matched is True
                continue
            word = words.pop(0)
            if word in {"accept", "return"}:
                return word if sure else None  # type: ignore[return-value]
            if word in {"drop", "reject"}:
                return "drop"
            if word in {"jump", "goto"} and words:
                return self._jump(f"{table}/{words[0]}", str(word), depth, sure=sure)
            if word in _SILENT:
                del words[: _SILENT[str(word)]]
            else:
                sure = False
        return None

    def _jump(self, target: str, word: str, depth: int, *, sure: bool) -> Verdict | None:
        verdict = self.through(target, depth + 1)
        if verdict == "drop":
            return verdict
        back = word == "jump" and verdict == "return"
        return None if back or not sure else verdict

    def _matches(self, table: str, fields: Sequence[str], words: list[str | Values]) -> bool | None:
        """Take a match's values from ``words`` and return whether the packet has one; None if nobody knows."""
        negated = words[:1] == ["!="]
        if negated:
            words.pop(0)
        if not words:
            return None
        word = words.pop(0)
        if isinstance(word, str) and word.startswith("@"):
            known = self.rules.sets.get(f"{table}/{word[1:]}")
            if known is None:
                return None
        else:
            known = _values(word)
        found = [self._all_equal(fields, [part for part in value if part != "."]) for value in known]
        if True in found:
            return not negated
        return None if None in found else negated

    def _all_equal(self, fields: Sequence[str], value: Sequence[str]) -> bool | None:
        if len(fields) != len(value):
            return None
        sure = True
        for field, word in zip(fields, value, strict=True):
            equal = self._equal(field, word)
            if equal is False:
                return False
            sure = sure and equal is True
        return True if sure else None

    def _equal(self, field: str, word: str) -> bool | None:
        packet = self.packet
        if field in {"tcp", "udp"}:
            return _in_range(packet.port, word) if packet.protocol == field else False
        if field in {"source", "destination"}:
            return _within(packet.source if field == "source" else packet.destination, word)
        if field == "icmp":
            return None if packet.protocol == "icmp" else False
        if field == "ttl":
            return _in_range(packet.ttl, word)
        if field == "state":
            return word == "new"
        return bool(word == getattr(packet, field))


def _fields(words: list[str | Values]) -> list[str]:
    """Take the fields that ``words`` begins with, joined by dots, and return them; none if there is none."""
    found: list[str] = []
    while True:
        known = [(name, size) for size in (2, 1) if (name := _FIELDS.get(tuple(map(str, words[:size]))))]
        if not known:
            return found
        found.append(known[0][0])
        del words[: known[0][1]]
        if words[:1] != ["."]:
            return found
        words.pop(0)


def _in_range(number: int, word: str) -> bool | None:
    low, _, high = word.partition("-")
    return int(low) <= number <= int(high or low) if low.isdigit() and (high or low).isdigit() else None


def _within(address: IPv4Address, word: str) -> bool | None:
    try:
        return address in IPv4Network(word)
    except ValueError:
        return None
