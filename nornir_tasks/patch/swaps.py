"""Lists that take the place of others while those are written anew. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from nornir_tasks.patch.dialect import Path
from nornir_tasks.patch.facts import Reader
from nornir_tasks.patch.model import Device, State
from nornir_tasks.patch.steps import Step, Way

_SPARE = "-SWAP"


class Swap:
    """Some lists, by their headers' paths, on the way from a state to the new one."""

    def __init__(self, device: Device, state: State, new: State, headers: Collection[Path]) -> None:
        self._device, self._state, self._new, self._headers = device, state, new, sorted(headers)
        self._reader = Reader(device)
        self._names = {
            found["list"]: path
            for path in state.paths | new.paths
            if len(path) == 1 and (found := re.fullmatch(device.dialect.lists.header, path[0]))
        }

    def way(self) -> Way:
        """Return the steps: spares where the lists are applied, the lists written anew, and back; empty if impossible.

        A place that is to have another list in the end has its rules at once, so that lists may change places.
        """
        moves = self._moves()
        spares: dict[str, str] = {}
        for _, name in moves:
            spares[name] = spares.get(name) or self._spare(name, {*self._names, *spares.values()})
        return tuple(self._steps(moves, spares)) if moves else ()

    def _steps(self, moves: list[tuple[Path, str]], spares: dict[str, str]) -> Iterator[Step]:
        copies = {name: _renamed(self._names[name][0], name, spare) for name, spare in spares.items()}
        for name, copy in copies.items():
            yield from self._written(self._names[name], (copy,))
        for path, name in moves:
            yield Step(path[:-1], _renamed(path[-1], name, spares[name]))
        for header in self._headers:
            if header in self._state.paths:
                yield Step((), self._device.negated(header[0]))
            yield from self._written(header, header)
        yield from (Step(path[:-1], path[-1]) for path, _ in moves)
        yield from (Step((), self._device.negated(copy)) for copy in copies.values())

    def _moves(self) -> list[tuple[Path, str]]:
        """Return (line, list) of every place where one of the lists is applied; empty if a place does not swap."""
        goals = {place: (path, name) for path in self._new.paths for place, _, name in self._reader.applications(path)}
        moves: list[tuple[Path, str]] = []
        for path in sorted(self._state.paths):
            for place, point, name in self._reader.applications(path):
                if self._names.get(name) in self._headers:
                    if not point.swaps:
                        return []
                    goal = goals.get(place, (path, name))
                    moves.append(goal if self._is_final(goal[1]) else (path, name))
        return moves

    def _is_final(self, name: str) -> bool:
        """Whether a list is what it is to be when the lists are written."""
        header = self._names.get(name)
        return header in self._headers or (
            header is not None and self._below(self._state, header) == self._below(self._new, header)
        )

    def _below(self, state: State, header: Path) -> set[str]:
        return {path[-1] for path in state.paths if path[:-1] == header}

    def _written(self, header: Path, named: Path) -> Iterator[Step]:
        """Yield the steps that write the new list of a header, under another name if asked."""
        lines = self._below(self._new, header)
        numbered = {line: rule[0] if (rule := self._device.rule(line)) else -1 for line in lines}
        yield Step(named)
        yield from (Step(named, line) for line in sorted(lines, key=lambda line: (numbered[line], line)))

    def _spare(self, name: str, used: set[str]) -> str:
        """Return a name that is not used: a number of the same kind, or the name with something behind it."""
        if not name.isdigit():
            tries = (f"{name}{_SPARE}{count or ''}" for count in range(len(used) + 1))
        else:
            size = 10 ** (len(name) - 1)
            first = int(name) // size * size
            tries = (str(number) for number in range(first + size - 1, first, -1))
        return next(spare for spare in tries if spare not in used)


def _renamed(line: str, name: str, spare: str) -> str:
    return " ".join(spare if word == name else word for word in line.split())
