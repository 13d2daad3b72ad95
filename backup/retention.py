"""Which snapshots are kept, and why: a pure decision, over arrival times and never over what a snapshot says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory.asset import Retention


@dataclass(frozen=True, slots=True)
class Point:
    """A snapshot to be kept or forgotten. ``at``: when it came here, UTC; ``quarantine``: why it is not believed."""

    id: str
    at: datetime
    quarantine: str = ""


@dataclass(frozen=True)
class Choice:
    """What stays, each with the one reason that counts first, and what goes; both in order of arrival."""

    keep: Mapping[str, str]
    forget: tuple[str, ...]


# How two moments are told to be in one period; hours and days are those of UTC, so that no clock change moves them.
_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "hourly": lambda at: (at.date(), at.hour),
    "daily": lambda at: at.date(),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


def choose(points: Iterable[Point], rule: Retention, pinned: Mapping[str, str]) -> Choice:
    """Return what a rule keeps: the newest ``last``, and the newest of each of so many hours, days, weeks and months.

    ``pinned``: ids that stay whatever the rule says, with why. The newest always stays. What is quarantined stays too,
    and takes nobody's place. Only periods in which something came are counted.
    """
    ordered = sorted(points, key=lambda point: (point.at, point.id))
    newest = [point for point in reversed(ordered) if not point.quarantine]
    reasons = {point.id: f"quarantined: {point.quarantine}" for point in ordered if point.quarantine}
    reasons |= {point.id: pinned[point.id] for point in ordered if point.id in pinned}
    for number, point in enumerate(newest[: max(1, rule.last)], start=1):
        reasons.setdefault(point.id, f"number {number} of last {max(1, rule.last)}")
    for name, period in _PERIODS.items():
        for number, point in enumerate(_firsts(newest, period)[: getattr(rule, name)], start=1):
            reasons.setdefault(point.id, f"{name} {number} of {getattr(rule, name)}")
    kept = {point.id: reasons[point.id] for point in ordered if point.id in reasons}
    return Choice(kept, tuple(point.id for point in ordered if point.id not in reasons))


def _firsts(points: Sequence[Point], period: Callable[[datetime], object]) -> list[Point]:
    found: dict[object, Point] = {}
    for point in points:
        found.setdefault(period(point.at), point)
    return list(found.values())
