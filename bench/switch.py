"""A simulated switch that is typed at, for judging command lists. It shares nothing with the planner but the parser.

The configuration is kept as a device keeps it: nested sections of lines, sets of VLANs as sets. What a real device
answers with an error is refused and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.tree import Node

Section = dict[str, "Section"]
_RULE = re.compile(r"(?:rule )?(\d+) ((?:permit|deny)\b.*)")


@dataclass(frozen=True)
class Tongue:
    """How a dialect's commands work. ``slots``: (pattern, name), lines of one slot take each other's place."""

    undo: str
    leave: str
    opens: str
    inner: str
    acl: str
    port: str
    trunk: str
    batch: str
    hardware: str
    slots: tuple[tuple[str, str], ...]
    swaps: bool
    strict: bool


_COMMON = (
    (r"(hostname|sysname|description|name) .*", r"\1"),
    (r"ip address \S+ \S+", "ip address"),
    (r"(neighbor|peer) (\S+) (remote-as|as-number) .*", r"as \2"),
    (r"(transport|protocol) (input|inbound) .*", "transport"),
)
_HUAWEI = (
    *_COMMON,
    (r"port link-type .*", "type"),
    (r"port (default|access) vlan .*", "access"),
    (r"acl \d+ inbound", "login"),
    (r"ssh server acl .*", "login"),
)
TONGUES: Mapping[str, Tongue] = {
    "ios": Tongue(
        undo="no ",
        leave="exit",
        opens=r"interface \S+|vlan \d+|ip access-list extended \S+|router .*|line .*",
        inner=r"address-family .*",
        acl=r"ip access-list extended (\S+)",
        port=r"interface Gigabit.*",
        trunk="switchport trunk allowed vlan",
        batch="vlan",
        hardware=r"interface Gigabit.*|line .*",
        slots=(
            *_COMMON,
            (r"switchport (mode|access vlan) .*", r"\1"),
            (r"ip access-group \S+ (in|out)", r"filter \1"),
            (r"access-class \S+ in", "login"),
        ),
        swaps=True,
        strict=False,
    ),
    "vrp": Tongue(
        undo="undo ",
        leave="quit",
        opens=r"interface \S+|vlan \d+|acl number \S+|ospf \d+|bgp \d+|user-interface .*",
        inner=r"area \S+",
        acl=r"acl number (\S+)",
        port=r"interface Gigabit.*",
        trunk="port trunk allow-pass vlan",
        batch="vlan batch",
        hardware=r"interface Gigabit.*|user-interface .*",
        slots=_HUAWEI,
        swaps=False,
        strict=True,
    ),
    "comware": Tongue(
        undo="undo ",
        leave="quit",
        opens=r"interface \S+|vlan \d+|acl advanced \S+|ospf \d+|bgp \d+",
        inner=r"area \S+",
        acl=r"acl advanced (\S+)",
        port=r"interface Gigabit.*",
        trunk="port trunk permit vlan",
        batch="vlan",
        hardware=r"interface Gigabit.*",
        slots=_HUAWEI,
        swaps=False,
        strict=True,
    ),
}


@dataclass
class Switch:
    """The switch: its lines, the VLANs of its trunks, and where its command line stands."""

    tongue: Tongue
    lines: Section = field(default_factory=dict)
    trunks: dict[str, frozenset[int]] = field(default_factory=dict)
    view: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @classmethod
    def loaded(cls, dialect: Dialect, trees: Iterable[Node]) -> Switch:
        """Return a switch that was booted with a configuration."""
        switch = cls(TONGUES[dialect.name])
        switch._boot(trees)
        switch.view = []
        return switch

    def _boot(self, trees: Iterable[Node]) -> None:
        for tree in trees:
            here = list(self.view)
            self.type(tree.line)
            self._boot(tree.children)
            self.view = here

    def type(self, command: str) -> None:
        """Take one command."""
        if command == self.tongue.leave:
            self.view = self.view[:-1]
        elif not self._vlans(command):
            if command.startswith(self.tongue.undo):
                self._undo(command.removeprefix(self.tongue.undo))
            elif not self._entered(command):
                self._add(command)

    def acls(self) -> dict[str, list[str]]:
        """Return the rules of every list in the order of their numbers."""
        found = {}
        for header, section in self.lines.items():
            if named := re.fullmatch(self.tongue.acl, header):
                rules = [match for line in section if (match := _RULE.fullmatch(line))]
                found[named[1]] = [match[2] for match in sorted(rules, key=lambda match: int(match[1]))]
        return found

    def shape(self) -> tuple[object, ...]:
        """Return what two switches have in common when they are configured the same."""
        trunks = {port: vlans for port, vlans in self.trunks.items() if vlans or not self.tongue.strict}
        return _frozen(self.lines, self.tongue), frozenset(trunks.items())

    def _here(self) -> Section:
        section = self.lines
        for name in self.view:
            section = section.setdefault(name, {})
        return section

    def _fail(self, why: str) -> None:
        self.refused.append(why)

    def _entered(self, command: str) -> bool:
        """Enter a section if the command names one. As on the device, a global command works in any section."""
        tongue = self.tongue
        if self.view and re.fullmatch(tongue.inner, command):
            self.view = [self.view[0], command]
        elif re.fullmatch(tongue.opens, command) and not (
            self.view and command.startswith(("acl ", "vlan ")) and tongue.strict
        ):
            svi = re.fullmatch(r"interface Vlan(?:if|-interface)(\d+)", command)
            if svi and f"vlan {svi[1]}" not in self.lines:
                self._fail(f"{command}: create the VLAN first")
                return True
            self.view = [command]
        else:
            return False
        self._here()
        return True

    def _vlans(self, command: str) -> bool:
        """Change a set of VLANs if the command does."""
        tongue = self.tongue
        plain = command.removeprefix(tongue.undo)
        if self.view and re.fullmatch(tongue.port, self.view[0]) and plain.startswith(tongue.trunk):
            self._trunk(command, plain)
            return True
        vlans = _numbers(plain.removeprefix(f"{tongue.batch} ")) if plain.startswith(f"{tongue.batch} ") else None
        single = plain == f"vlan {min(vlans)}" if vlans else True
        if not vlans or (single and plain == command) or (tongue.strict and self.view):
            return False
        for vlan in vlans:
            self._vlan(vlan, comes=plain == command)
        return True

    def _vlan(self, vlan: int, *, comes: bool) -> None:
        if comes:
            self.lines.setdefault(f"vlan {vlan}", {})
        elif self.tongue.strict and {f"interface Vlanif{vlan}", f"interface Vlan-interface{vlan}"} & self.lines.keys():
            self._fail(f"vlan {vlan}: delete its interface first")
        else:
            self.lines.pop(f"vlan {vlan}", None)

    def _trunk(self, command: str, plain: str) -> None:
        tongue, port = self.tongue, self.view[0]
        self._here()
        rest = plain.removeprefix(tongue.trunk).strip()
        if not tongue.strict:
            self._ios_trunk(port, rest, wiped=plain != command)
            return
        if "port link-type trunk" not in self.lines[port]:
            self._fail(f"{command}: no trunk")
            return
        vlans, now = frozenset(_numbers(rest) or ()), self.trunks.get(port, frozenset())
        self.trunks[port] = now | vlans if plain == command else now - vlans

    def _ios_trunk(self, port: str, rest: str, *, wiped: bool) -> None:
        word, _, more = rest.partition(" ")
        if wiped:  # whatever follows: the list is gone, and all VLANs pass
            self.trunks.pop(port, None)
        elif word in {"add", "remove"}:
            vlans, now = frozenset(_numbers(more) or ()), self.trunks.get(port, frozenset(range(1, 4095)))
            self.trunks[port] = now | vlans if word == "add" else now - vlans
        else:
            self.trunks[port] = frozenset(_numbers(rest) or ())

    def _undo(self, rest: str) -> None:
        here = self._here()
        if self.view and re.fullmatch(self.tongue.acl, self.view[0]) and (asked := re.match(r"(?:rule )?(\d+)", rest)):
            self._drop(here, [line for line in here if (found := _RULE.match(line)) and found[1] == asked[1]])
            return
        if re.fullmatch(r"vlan \d+", rest) and (not self.view or not self.tongue.strict):
            self._vlan(int(rest.removeprefix("vlan ")), comes=False)
            return
        if rest not in here and self.view and rest in self.lines:
            here, self.view = self.lines, []
        if re.fullmatch(self.tongue.hardware, rest) and here is self.lines:
            self._fail(f"{rest}: hardware cannot be removed")
            return
        gone = [rest] if rest in here else [line for line in here if line.startswith(f"{rest} ")]
        if any(line.startswith("port link-type") for line in gone) and self._occupied():
            return
        self._drop(here, gone)

    def _drop(self, here: Section, lines: list[str]) -> None:
        for line in lines:
            here.pop(line)

    def _occupied(self) -> bool:
        """Refuse a change of a port's type while lines of its type are there (Huawei)."""
        port = self.view[0] if self.view else ""
        busy = bool(self.trunks.get(port)) or any(self._slot(line) == "access" for line in self.lines.get(port, ()))
        if busy:
            self._fail(f"{port}: renew the default configuration first")
        return busy

    def _add(self, line: str) -> None:
        here = self._here()
        if self.view and re.fullmatch(self.tongue.acl, self.view[0]) and (rule := _RULE.fullmatch(line)):
            self._rule(here, line, rule)
            return
        if line in here:
            return
        alone = _direction(line)
        if alone and any(_direction(other) == alone for other in here):
            self._fail(f"{line}: only one list in one direction")
        elif line.startswith("port link-type") and self._occupied():
            pass
        elif line.startswith("port default vlan") and "port link-type access" not in here:
            self._fail(f"{line}: no access port")
        else:
            slot = self._slot(line)
            self._drop(here, [other for other in here if slot and self._slot(other) == slot])
            here[line] = {}

    def _slot(self, line: str) -> str:
        found = ((re.fullmatch(pattern, line), name) for pattern, name in self.tongue.slots)
        return next((match.expand(name) for match, name in found if match), "")

    def _rule(self, here: Section, line: str, rule: re.Match[str]) -> None:
        others = [found for other in here if other != line and (found := _RULE.fullmatch(other))]
        if any(other[2] == rule[2] for other in others):
            self._fail(f"{line}: there is such a rule")
            return
        same = [other[0] for other in others if other[1] == rule[1]]
        if same and not self.tongue.strict:
            self._fail(f"{line}: duplicate sequence number")
            return
        self._drop(here, same)
        here[line] = {}


def _direction(line: str) -> str:
    """Return the direction of a filter that Huawei and H3C apply once in each; empty if it is no filter."""
    found = re.fullmatch(r"(?:traffic|packet)-filter .*?\b(inbound|outbound)\b.*", line)
    return found[1] if found else ""


def _numbers(text: str) -> set[int] | None:
    """Return the VLANs of ``1,3-5`` or ``1 3 to 5``; None if it is something else."""
    if not re.fullmatch(r"\d+(( to |[ ,-])\d+)*", text):
        return None
    spans = re.findall(r"(\d+)(?:(?: to |-)(\d+))?", text)
    return {vlan for low, high in spans for vlan in range(int(low), int(high or low) + 1)}


def _frozen(section: Section, tongue: Tongue) -> frozenset[object]:
    return frozenset(
        (line, _frozen(inner, tongue))
        for line, inner in section.items()
        if inner or not re.fullmatch(tongue.hardware, line)
    )
