"""What is different between two states, as edits: what comes, what goes, what takes another's place. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from nornir_tasks.patch.dialect import Members, Path
from nornir_tasks.patch.lists import ListChange, rules_of
from nornir_tasks.patch.model import Device, State
from nornir_tasks.patch.steps import Edit, Step, Way
from nornir_tasks.patch.vlans import members_of, written

# Members in one command: Huawei takes ten, and IOS cuts lines off after 254 characters.
_AT_ONCE = 10
_LOOSE, _ADD, _REMOVE = range(3)


class Edits:
    """Collects the edits that turn one state into another. What one edit does is struck off for those after it."""

    def __init__(self, device: Device, old: State, new: State, unnumbered: frozenset[Path]) -> None:
        self._device, self._dialect = device, device.dialect
        self._old, self._new, self._unnumbered = old, new, unnumbered
        self._going, self._coming = set(old.paths - new.paths), set(new.paths - old.paths)

    def all(self) -> list[Edit]:
        """Return all edits, in the order in which they are best tried."""
        parts = (self._lists, self._sets, self._sections, self._replaced, self._toggled, self._rest)
        return sorted((edit for part in parts for edit in part()), key=lambda edit: edit.order)

    def _lists(self) -> Iterator[Edit]:
        for header in sorted({path for path in self._new.paths if len(path) == 1 and self._device.is_list(path)}):
            found = re.fullmatch(self._dialect.lists.header, header[0])
            now, then = (rules_of(self._device, state, header) for state in (self._old, self._new))
            if found and (now != then or header in self._coming):
                rules = {
                    path for path in self._going | self._coming if path[:-1] == header and self._device.rule(path[-1])
                }
                self._strike(rules | {header})
                change = ListChange(
                    self._device, header, found["list"], then, self._new, header not in self._unnumbered
                )
                yield Edit(self._when(_ADD, header), f"the rules of '{header[0]}'", change.ways)

    def _sets(self) -> Iterator[Edit]:
        for members in self._dialect.members:
            if not members.apart:
                coming, going = self._grouped(members, self._coming), self._grouped(members, self._going)
                for section in sorted({*coming, *going}):
                    yield from self._set(members, section, coming[section], going[section])

    def _grouped(self, members: Members, paths: Iterable[Path]) -> dict[Path, set[int]]:
        found: dict[Path, set[int]] = defaultdict(set)
        for path in paths:
            vlans = members_of(members.line, path[-1])
            if vlans is not None and (len(path) == 1 or not members.top):
                found[path[:-1]] |= vlans
        marker = members.line.removesuffix(" {}")
        for path in paths if members.assign else ():
            if path[-1] == marker:
                found[path[:-1]] |= set()
        return found

    def _set(self, members: Members, section: Path, coming: set[int], going: set[int]) -> Iterator[Edit]:
        marker = (*section, members.line.removesuffix(" {}"))
        lines = {(*section, members.line.format(vlan)) for vlan in coming | going}
        is_new, is_gone = marker in self._coming, marker in self._going
        if section in self._going and self._removable(section):
            return
        self._strike({marker, *lines})
        self._going -= {path for path in self._going if path[: len(section) + 1] in lines}
        if is_gone:
            yield self._edit(_REMOVE, marker, members.clear)
            return
        if is_new:
            yield self._edit(_ADD, marker, members.assign.format(_said(members, coming) or "none"))
            return
        for when, form, vlans in ((_ADD, members.add, coming), (_REMOVE, members.remove, going)):
            items = written(vlans, members.span)
            for part in (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE)):
                command = form.format(members.joint.join(part))
                yield self._edit(when, (*section, members.line.format(part[0])), command)

    def _sections(self) -> Iterator[Edit]:
        for path in sorted(self._going, key=len):
            if path in self._going and self._removable(path):
                self._going -= {other for other in self._going if other[: len(path)] == path}
                yield self._edit(_REMOVE, path, self._device.negated(path[-1]))
        for path in sorted(self._coming):
            if self._device.opens(path):
                self._strike({path})
                yield Edit(self._when(_ADD, path), f"'{path[-1]}'", _ways([Step(path)]))
        # What is hardware stays there, without lines.
        self._going -= {path for path in self._going if self._device.opens(path)}

    def _removable(self, path: Path) -> bool:
        return self._device.opens(path) and not self._device.is_fixed(path)

    def _replaced(self) -> Iterator[Edit]:
        keys = {(path[:-1], key): path for path in self._going if (key := self._device.key(path[-1]))}
        for path in sorted(self._coming):
            key = self._device.key(path[-1])
            other = keys.get((path[:-1], key)) if key else None
            if other:
                self._strike({path, other})
                yield self._edit(_ADD, path, path[-1])

    def _toggled(self) -> Iterator[Edit]:
        negation = self._dialect.negation
        for path in sorted(self._coming):
            twin = path[-1].removeprefix(negation) if path[-1].startswith(negation) else f"{negation}{path[-1]}"
            if (*path[:-1], twin) in self._going:
                self._strike({path, (*path[:-1], twin)})
                yield self._edit(_ADD, path, path[-1])

    def _rest(self) -> Iterator[Edit]:
        for path in sorted(self._coming):
            yield self._edit(_ADD, path, path[-1])
        for path in sorted(self._going):
            when = _REMOVE if self._device.is_known(path) else _LOOSE
            yield self._edit(when, path, self._device.negated(path[-1]))

    def _edit(self, when: int, path: Path, command: str) -> Edit:
        return Edit(self._when(when, path), f"'{command}'", _ways([Step(path[:-1], command)]))

    def _when(self, when: int, path: Path) -> tuple[int, int, Path]:
        text = "\n".join(path)
        ranks = (place for place, pattern in enumerate(self._dialect.order) if re.fullmatch(pattern, text))
        rank = next(ranks, len(self._dialect.order))
        return (when, rank if when == _ADD else -rank, path)

    def _strike(self, paths: set[Path]) -> None:
        self._coming -= paths
        self._going -= paths


def _said(members: Members, vlans: set[int]) -> str:
    return members.joint.join(written(vlans, members.span))


def _ways(way: Way) -> Callable[[State], Iterable[Way]]:
    return lambda _: [way]
