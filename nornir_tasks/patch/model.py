"""A small simulator: what one command makes of a device's configuration. Pure.

A ``State`` is a set of paths. Sets of VLANs are one path per VLAN, so that two states are equal when the device is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from nornir_tasks.patch.dialect import Dialect, Members, Path
from nornir_tasks.patch.tree import Node, paths
from nornir_tasks.patch.vlans import members_of


class NotAcceptedError(ValueError):
    """The device would not take the command."""


@dataclass(frozen=True, slots=True)
class State:
    """A configuration, and the section that the next command is said in."""

    paths: frozenset[Path]
    section: Path = ()


class Device:
    """How devices of a dialect take commands.

    ``texts`` are the trees that will be worked with: a line that has lines below it opens a section, and negated lines
    that a text shows stay in the configuration.
    """

    def __init__(self, dialect: Dialect, texts: Iterable[tuple[Node, ...]]) -> None:
        self.dialect = dialect
        said = [found for trees in texts for found in paths(trees)]
        self._openers = {path for path, has_children in said if has_children}
        self._negatives = {path for path, _ in said if path[-1].startswith(dialect.negation)}
        self._known = {path for path, _ in said}
        self._keys: dict[str, tuple[str, str] | None] = {}

    def load(self, trees: tuple[Node, ...]) -> State:
        """Return the state that a text describes. Raise NotAcceptedError if it contradicts itself."""
        state = State(frozenset())
        for path, _ in paths(trees):
            state = self.apply(State(state.paths, path[:-1]), path[-1])
        return self.settled(state)

    def settled(self, state: State) -> State:
        """Return a state without hardware that no line is about, outside of all sections."""
        hollow = {path for path in state.paths if self.is_fixed(path)} - {path[:-1] for path in state.paths}
        return State(state.paths - hollow)

    def apply(self, state: State, command: str) -> State:
        """Return the state after a command. Raise NotAcceptedError if the device would not take it."""
        if command == self.dialect.leave:
            return replace(state, section=state.section[:-1])
        if not self.opens((*state.section, command)):
            for members in self.dialect.members:
                changed = None if members.top and state.section else self._set(state, members, command)
                if changed is not None:
                    return changed
        if command.startswith(self.dialect.negation):
            return self._negate(state, command)
        return self._say(state, command)

    def negated(self, line: str) -> str:
        """Return the command that takes a line away."""
        negation = self.dialect.negation
        if line.startswith(negation):
            return line.removeprefix(negation)
        found = ((re.fullmatch(pattern, line), part) for pattern, part in self.dialect.shorter)
        return f"{negation}{next((match.expand(part) for match, part in found if match), line)}"

    def opens(self, path: Path) -> bool:
        """Whether a line opens a section."""
        return path in self._openers or self._is(self.dialect.sections, path)

    def is_fixed(self, path: Path) -> bool:
        """Whether a section is hardware, which cannot be removed."""
        return self._is(self.dialect.fixed, path)

    def is_list(self, path: Path) -> bool:
        """Whether a path is a packet filter's list, or in one."""
        return bool(path) and self._is((self.dialect.lists.header,), path[:1])

    def is_known(self, path: Path) -> bool:
        """Whether it is known that a line stands beside others, or that it is the only one of its kind."""
        if self.key(path[-1]) or any(re.fullmatch(pattern, path[-1]) for pattern in self.dialect.additive):
            return True
        return self._is(tuple(point.path for point in self.dialect.points), path)

    def key(self, line: str) -> tuple[str, str] | None:
        """Return what a single line is the single one of; None if several like it can stand beside each other."""
        if line not in self._keys:
            found = ((pattern, re.fullmatch(pattern, line)) for pattern in self.dialect.single)
            self._keys[line] = next(((one, _key(match)) for one, match in found if match), None)
        return self._keys[line]

    def _is(self, patterns: tuple[str, ...], path: Path) -> bool:
        text = "\n".join(path)
        return any(re.fullmatch(pattern, text) for pattern in patterns)

    def _set(self, state: State, members: Members, command: str) -> State | None:
        """Return the state after a command that changes a set of VLANs; None if it is not one."""
        if members.clear and command.startswith(members.clear):
            return replace(state, paths=state.paths - frozenset(self._of(state, members)))
        for form, adds in ((members.add, True), (members.remove, False)):
            found = members_of(form, command)
            if found is not None:
                return self._changed(state, members, found, adds=adds)
        found = members_of(members.assign, command) if members.assign else None
        if found is None:
            return None
        empty = replace(state, paths=state.paths - frozenset(self._of(state, members)))
        return self._changed(empty, members, found, adds=True)

    def _changed(self, state: State, members: Members, vlans: Iterable[int], *, adds: bool) -> State:
        lines = {(*state.section, members.line.format(vlan)) for vlan in vlans}
        if not adds:
            depth = len(state.section) + 1
            return replace(state, paths=frozenset(path for path in state.paths if path[:depth] not in lines))
        if members.assign:
            lines.add((*state.section, members.line.removesuffix(" {}")))
        above = {state.section} if state.section else set()
        return replace(state, paths=state.paths | above | lines)

    def _of(self, state: State, members: Members) -> set[Path]:
        """Return the paths of a set in this section, and the one that says that there is a set."""
        marker, depth = members.line.removesuffix(" {}"), len(state.section)
        return {
            path
            for path in state.paths
            if path[:depth] == state.section and len(path) > depth and f"{path[depth]} ".startswith(f"{marker} ")
        }

    def _negate(self, state: State, command: str) -> State:
        rest = command.removeprefix(self.dialect.negation)
        gone = self._meant(state, rest)
        depth = len(state.section) + 1
        left = frozenset(path for path in state.paths if path[:depth] not in gone)
        negative = (*state.section, command)
        return State(left | {negative} if negative in self._negatives else left, state.section)

    def _meant(self, state: State, rest: str) -> set[Path]:
        """Return the lines of this section that a negated command takes away: the line itself, or all it begins."""
        depth = len(state.section)
        here = {path[: depth + 1] for path in state.paths if path[:depth] == state.section and len(path) > depth}
        if self.is_list(state.section) and (asked := re.match(r"(?:rule )?(\d+)\b", rest)):
            return {path for path in here if (rule := self.rule(path[-1])) and rule[0] == int(asked[1])}
        if (*state.section, rest) in here:
            return {(*state.section, rest)}
        return {path for path in here if path[-1].startswith(f"{rest} ")}

    def _say(self, state: State, line: str) -> State:
        if self.is_list(state.section):
            line = self._numbered(state, line)
        path = (*state.section, line)
        key = self.key(line)
        gone = {(*state.section, f"{self.dialect.negation}{line}")}
        if key:
            gone |= {
                other
                for other in state.paths
                if other[:-1] == state.section and other != path and self.key(other[-1]) == key
            }
        above = frozenset(path[:length] for length in range(1, len(path)))
        # What takes back a negated line and is in no text is what the device does by itself: no line says it.
        is_default = bool(gone & state.paths) and not key and path not in self._known
        here = frozenset() if is_default else frozenset({path})
        return State((state.paths - gone) | above | here, path if self.opens(path) else state.section)

    def rule(self, line: str) -> tuple[int, str] | None:
        """Return a rule's number (-1: it has none yet) and its text; None if the line is no rule."""
        found = re.fullmatch(self.dialect.lists.rule, line)
        return (int(found["seq"] or -1), found["text"]) if found else None

    def _numbered(self, state: State, line: str) -> str:
        """Return a rule with its number. Raise NotAcceptedError if the number or the rule is there already."""
        rule = self.rule(line)
        if rule is None:
            return line
        there = [found for path in state.paths if path[:-1] == state.section and (found := self.rule(path[-1]))]
        number = rule[0] if rule[0] >= 0 else max([0, *(seq for seq, _ in there)]) + self.dialect.lists.step
        said = self.dialect.lists.write.format(seq=number, text=rule[1])
        if (*state.section, said) in state.paths:
            return said
        if any(seq == number or text == rule[1] for seq, text in there):
            raise NotAcceptedError(f"'{line}' in '{state.section[0]}': such a rule or its number is there already")
        return said


def _key(found: re.Match[str]) -> str:
    return found.groupdict().get("key") or ""
