"""How the rules of a packet filter are changed: the ways to do it, cheapest first. Pure.

* one rule at a time, in an order that never lets through, or stops, what both the old and the new list agree about;
* a second list with the new rules takes the place of the first while that is written anew;
* the new rules are first written below the old ones, each in parts because a rule must not be there twice. The old
  ones go from the last to the first, the new ones come from the first to the last, and the parts go. A packet that an
  old rule which is left matches meets the old verdict, every other packet the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from nornir_tasks.patch.dialect import Path, Point
from nornir_tasks.patch.facts import Reader
from nornir_tasks.patch.model import Device, State
from nornir_tasks.patch.rules import Match, Universe, parts, understood, written
from nornir_tasks.patch.steps import Step, Way
from nornir_tasks.patch.swaps import Swap

Rules = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class ListChange:
    """The change of one list: its header's path and the rules it is to have, by number."""

    device: Device
    header: Path
    name: str
    rules: Rules
    new: State
    in_place: bool

    def ways(self, state: State) -> Iterator[Way]:
        """Yield the ways to change the list in a state, those that change it rule by rule only if they are safe."""
        now, points = rules_of(self.device, state, self.header), self._points(state)
        if not points or now == self.rules:
            yield self._steps(
                [*((seq, "") for seq in _differing(now, self.rules)), *_differing(self.rules, now).items()]
            )
            return
        otherwise = {point.otherwise for point in points}
        if self.in_place:
            gradual = _gradual(now, self.rules, self._allowed(now, otherwise))
            yield from [self._steps(gradual)] if gradual else []
        swap = Swap(self.device, state, self.new, [self.header]).way()
        yield from [swap] if swap else []
        if self.in_place and self.device.dialect.lists.keywords:
            below = self._below(now)
            yield from [self._steps(below)] if below else []

    def _points(self, state: State) -> list[Point]:
        """Return where the list is applied."""
        reader = Reader(self.device)
        return [point for path in state.paths for _, point, name in reader.applications(path) if name == self.name]

    def _steps(self, changes: Iterable[tuple[int, str]]) -> Way:
        """Return the steps of changes: (number, text), without a text the rule goes."""
        lists = self.device.dialect.lists
        said = [
            lists.write.format(seq=seq, text=text)
            if text
            else f"{self.device.dialect.negation}{lists.remove.format(seq=seq)}"
            for seq, text in changes
        ]
        return [Step(self.header), *(Step(self.header, command) for command in said)]

    def _matches(self, texts: Iterable[str]) -> tuple[Match, ...] | None:
        return understood(texts, self.device.dialect.lists.grammar)

    def _allowed(self, now: Rules, otherwise: set[str]) -> Callable[[Rules], bool] | None:
        """Return what tells whether rules are between those of now and those that are to be; None if nothing can."""
        ends = [self._matches(_texts(rules)) for rules in (now, self.rules)]
        if ends[0] is None or ends[1] is None:
            return None
        universe = Universe([*ends[0], *ends[1]])
        defaults = [universe.all if word == "permit" else 0 for word in otherwise]
        before, after = ([universe.passing(end, default) for default in defaults] for end in (ends[0], ends[1]))

        def allowed(rules: Rules) -> bool:
            matches = self._matches(_texts(rules))
            verdicts = [universe.passing(matches, default) for default in defaults] if matches else []
            return bool(matches) and not any((v ^ a) & (v ^ b) for v, a, b in zip(verdicts, before, after, strict=True))

        return allowed

    def _below(self, now: Rules) -> list[tuple[int, str]]:
        """Return the changes that write the new rules below the old ones first; empty if that cannot be done."""
        same = _common(now, self.rules)
        old, new = ({seq: text for seq, text in rules.items() if seq not in same} for rules in (now, self.rules))
        matches = self._matches(_texts(new))
        if matches is None or any(not parts(match) for match in matches):
            return []
        texts = [written(part) for match in matches for part in parts(match)]
        if len({*texts, *now.values(), *new.values()}) < len(texts) + len({*now.values(), *new.values()}):
            return []
        step = self.device.dialect.lists.step
        first = (max([0, *now, *new]) // step + 1) * step
        extra = {first + step * place: text for place, text in enumerate(texts)}
        return [
            *extra.items(),
            *((seq, "") for seq in sorted(old, reverse=True)),
            *sorted(new.items()),
            *((seq, "") for seq in sorted(extra, reverse=True)),
        ]


def rules_of(device: Device, state: State, header: Path) -> dict[int, str]:
    """Return the rules of a list by number."""
    found = (device.rule(path[-1]) for path in state.paths if path[:-1] == header)
    return {rule[0]: rule[1] for rule in found if rule}


def _gradual(now: Rules, then: Rules, allowed: Callable[[Rules], bool] | None) -> list[tuple[int, str]]:
    """Return changes of one rule each with which the list is allowed all the time; empty if none were found."""
    if allowed is None:
        return []
    coming, going = _differing(then, now), _differing(now, then)
    left = [*sorted(coming.items()), *((seq, "") for seq in sorted(going, reverse=True))]
    rules, done = dict(now), list[tuple[int, str]]()
    while left:
        found = next(((change, after) for change in left if (after := _after(rules, change)) and allowed(after)), None)
        if found is None:
            return []
        rules = found[1]
        left.remove(found[0])
        done.append(found[0])
    return done


def _after(rules: dict[int, str], change: tuple[int, str]) -> dict[int, str]:
    """Return the rules after a change; none if a rule or its number is there already."""
    seq, text = change
    if not text:
        return {number: kept for number, kept in rules.items() if number != seq}
    return {} if seq in rules or text in rules.values() else {**rules, seq: text}


def _differing(rules: Rules, others: Rules) -> dict[int, str]:
    return {seq: text for seq, text in sorted(rules.items()) if others.get(seq) != text}


def _common(rules: Rules, others: Rules) -> set[int]:
    """Return the numbers of the rules with which both begin."""
    same: set[int] = set()
    for one, other in zip(sorted(rules.items()), sorted(others.items()), strict=False):
        if one != other:
            break
        same.add(one[0])
    return same


def _texts(rules: Rules) -> list[str]:
    return [text for _, text in sorted(rules.items())]


def last_resort(device: Device, new: State) -> Callable[[State], Iterator[Way]]:
    """Return the way to swap all lists that still differ at once, for lists that change places with each other."""

    def ways(state: State) -> Iterator[Way]:
        headers = [path for path in new.paths if len(path) == 1 and device.is_list(path)]
        changed = [path for path in headers if rules_of(device, state, path) != rules_of(device, new, path)]
        way = Swap(device, state, new, changed).way()
        yield from [way] if way else []

    return ways
