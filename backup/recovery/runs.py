"""Runs of plans as the journal has them: each with its plan and placements as they were when it began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from backup.recovery.deeds import DEEDS
from backup.recovery.plan import Plan, Step
from backup.recovery.run import Done, Journal, Row
from inventory.entry import Name
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError

Moves = Literal["away", "home", "nowhere"]
# What may become of a run; open ones can be resumed.
Fate = Literal["begun", "failed", "ended", "abandoned", "committed", "undoing", "undone"]
OPEN: tuple[Fate, ...] = ("begun", "failed", "undoing")


@dataclass(frozen=True, slots=True)
class Run:
    """One run. ``lost_at``: Unix time from which its RTO counts. ``now`` and ``after``: see ``Scene``."""

    id: str
    moves: Moves
    services: tuple[str, ...]
    now: Placement
    after: Placement
    lost_at: float
    plan: Plan
    subject: str = ""
    moment: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the journal's form."""
        steps = [
            {
                **asdict(step),
                "title": step.title.model_dump(),
                "instruction": step.instruction.model_dump() if step.instruction else None,
            }
            for step in self.plan.steps
        ]
        return {**asdict(self), "scenario": self.plan.scenario, "plan": steps}

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Run:
        """Return the run that ``as_dict`` gave."""
        plan = Plan(value["scenario"], tuple(map(_step, value["plan"])))
        kept = {name: value[name] for name in ("id", "moves", "lost_at", "subject", "moment")}
        now, after = (Placement(one["epoch"], one["active"]) for one in (value["now"], value["after"]))
        return cls(services=tuple(value["services"]), now=now, after=after, plan=plan, **kept)


@dataclass(frozen=True, slots=True)
class Past:
    """A run and what became of it. ``touched``: whether a step of it has begun that changes something."""

    run: Run
    fate: Fate
    at: float
    touched: bool

    @property
    def open(self) -> bool:
        """Whether it can be resumed."""
        return self.fate in OPEN


def past(journal: Journal) -> tuple[Past, ...]:
    """Return all runs, oldest first."""
    begun = {row.run: Run.of(cast("Mapping[str, Any]", row.facts)) for row in journal.notes() if row.state == "begun"}
    last = {row.run: row for row in journal.notes()}
    touching = {(row.run, row.step) for row in journal.steps() if row.state == "begun"}
    return tuple(
        Past(run, cast("Fate", last[name].state), last[name].at, _touched(run, touching)) for name, run in begun.items()
    )


def one_open(known: Iterable[Past], name: str = "") -> Past:
    """Return the open run called ``name``, or the only one there is. Raise RecoveryError if that is none or many."""
    found = [one for one in known if one.open and name in {"", one.run.id}]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RecoveryError("nothing to resume", why=f"no run '{name}' is open" if name else "no run is open")
    listed = ", ".join(one.run.id for one in found)
    raise RecoveryError("several runs are open", why=listed, hint="netdr dr resume RUN")


def done(plan: Plan, rows: Sequence[Row]) -> tuple[Done, ...]:
    """Given a run's rows, return its steps that ended well. What was begun and never ended is not among them."""
    began: dict[str, float] = {}
    found: dict[str, Done] = {}
    steps = {step.id: step for step in plan.steps}
    for row in rows:
        if row.state == "begun":
            began[row.step] = row.at
            found.pop(row.step, None)
        elif row.state == "done" and row.step in steps:
            found[row.step] = Done(steps[row.step], began[row.step], row.at, row.facts)
    return tuple(found.values())


def _touched(run: Run, begun: Iterable[tuple[str, str]]) -> bool:
    changing = {(run.id, step.id) for step in run.plan.steps if DEEDS[step.does].changes}
    return not changing.isdisjoint(begun)


def _step(value: Mapping[str, Any]) -> Step:
    lists = {name: tuple(value[name]) for name in ("needs", "before", "after")}
    instruction = Name(**value["instruction"]) if value["instruction"] else None
    return Step(**{**value, **lists, "title": Name(**value["title"]), "instruction": instruction})
