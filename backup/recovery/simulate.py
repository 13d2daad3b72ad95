"""How long a plan will take, from how long its steps have taken. Pure.

A step's past counts whatever the service: by its own id first. Where there is none, its limit is what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from backup.recovery import graph
from backup.recovery.plan import Plan, Step
from backup.recovery.run import Row

# How many runs of a step are looked back upon.
RECENT = 10


@dataclass(frozen=True, slots=True)
class Expected:
    """How long a step is expected to take, in seconds. ``runs``: from how many past ones; 0 means from its limit."""

    median: float
    worst: float
    runs: int


@dataclass(frozen=True, slots=True)
class Way:
    """The longest way to a service's verified answer: RTO in seconds; ``people``: seconds of it that wait for them.

    ``guessed``: the steps on it that have never run, which count with their limits.
    """

    steps: tuple[str, ...]
    median: float
    worst: float
    people: float
    guessed: tuple[str, ...]


def expected(plan: Plan, rows: Iterable[Row]) -> Mapping[str, Expected]:
    """Given all rows of the journal, return what is expected of each step."""
    past = _durations(rows)
    return {step.id: _expected(step, past.get(step.id, ())) for step in plan.steps}


def ways(plan: Plan, known: Mapping[str, Expected]) -> Mapping[str, Way]:
    """Return, for each service that the plan verifies, the way that is expected to take longest."""
    seconds = {name: one.median for name, one in known.items()}
    found: dict[str, Way] = {}
    for step in plan.steps:
        if step.service and step.phase == "verify":
            way = _way(plan, known, graph.longest(plan, seconds, step.id))
            if step.service not in found or found[step.service].median < way.median:
                found[step.service] = way
    return found


def _way(plan: Plan, known: Mapping[str, Expected], ids: tuple[str, ...]) -> Way:
    waits = {step.id for step in plan.steps if step.phase == "decide" or step.instruction}
    return Way(
        steps=ids,
        median=round(sum(known[name].median for name in ids), 2),
        worst=round(sum(known[name].worst for name in ids), 2),
        people=round(sum(known[name].median for name in ids if name in waits), 2),
        guessed=tuple(name for name in ids if not known[name].runs),
    )


def _expected(step: Step, past: Sequence[float]) -> Expected:
    recent = past[-RECENT:]
    if not recent:
        return Expected(step.limit, step.limit, 0)
    return Expected(median(recent), max(recent), len(recent))


def _durations(rows: Iterable[Row]) -> Mapping[str, Sequence[float]]:
    """Return how long each step took that ended well, oldest first."""
    begun: dict[tuple[str, str], float] = {}
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.state == "begun":
            begun[row.run, row.step] = row.at
        elif row.state == "done" and (row.run, row.step) in begun:
            found.setdefault(row.step, []).append(row.at - begun.pop((row.run, row.step)))
    return found
