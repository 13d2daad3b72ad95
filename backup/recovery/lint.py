"""What is wrong with a recovery plan before it is needed. Pure.

Two kinds: mistakes, which would make it fail or make it unsafe, and warnings, which are promises it may not keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from backup.recovery import graph
from backup.recovery.deeds import CHECKS, DEEDS
from backup.recovery.plan import Plan, Step
from backup.recovery.scenario import Scenario, Template
from inventory.entry import span
from inventory.model import District
from netdr.kernel.errors import InventoryError, RecoveryError, unknown

# What must have been done before an action, by where a plan moves services: else two sites could be active at once, or
# one that has not the newest data. Actions that are not named for a move have no place in such a plan.
_FIRST: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "away": {
        "record": ("main-lost",),
        "start-away": ("restore", "record"),
        "announce": ("record",),
    },
    "home": {
        "stop-home": ("main-whole",),
        "stop-away": ("main-whole",),
        "carry-home": ("stop-away",),
        "record": ("carry-home",),
        "start-home": ("carry-home", "record"),
        "announce": ("start-home",),
    },
    "nowhere": {},
}
_MOVING = frozenset(does for order in _FIRST.values() for does in order)
# A quorum of fewer witnesses is one opinion.
_QUORUM = 3


@dataclass(frozen=True, slots=True)
class Findings:
    """``mistakes`` forbid to carry the plan out, ``warnings`` do not."""

    mistakes: tuple[InventoryError, ...]
    warnings: tuple[InventoryError, ...]


def lint(scenario: Scenario, district: District) -> Findings:
    """Return everything that is wrong with a scenario for a district, mistakes of names before those of the graph."""
    names = tuple(_names(scenario))
    try:
        plan = scenario.plan([service.id for service in district.services])
    except RecoveryError as error:
        return Findings((*names, InventoryError(error.what, where=scenario.where(0), why=error.why)), ())
    if names:
        return Findings(names, ())
    view = _View(scenario, district, plan)
    return Findings(tuple(each for find in _MISTAKES for each in find(view)), tuple(_slow(view)))


@dataclass(frozen=True, slots=True)
class _View:
    """A scenario whose names are all known, its plan for all services of a district."""

    scenario: Scenario
    district: District
    plan: Plan

    def steps(self) -> Iterator[tuple[Template, str]]:
        """Yield each step as it is written, with where that is."""
        for place, step in enumerate(self.scenario.written.steps):
            yield step, self.scenario.where(place)


def _names(scenario: Scenario) -> Iterator[InventoryError]:
    written = scenario.written.steps
    for place, step in enumerate(written):
        uses: list[tuple[str, str, Iterable[str]]] = [("action", step.does, DEEDS), ("action", step.undo, DEEDS)]
        uses += [("check", name, CHECKS) for name in (*step.before, *step.after)]
        uses += [("step", name, [other.id for other in written]) for name in step.needs]
        for noun, name, known in uses:
            if name and name not in known:
                yield InventoryError(f"step '{step.id}': {unknown(noun, name, known)}", where=scenario.where(place))


def _without_undo(view: _View) -> Iterator[InventoryError]:
    for step, where in view.steps():
        if DEEDS[step.does].changes and not step.undo and step.irreversible is None:
            what = f"step '{step.id}' changes something and has no way back"
            yield InventoryError(what, where=where, hint="name an undo, or say why there is none: irreversible")


def _undecided(view: _View) -> Iterator[InventoryError]:
    before = graph.ancestors(view.plan)
    deciding = {step.id for step in view.plan.steps if step.decides and step.does == "decide"}
    for step, where in view.steps():
        ids = [one.id for one in view.plan.steps if one.id.partition(":")[0] == step.id]
        if DEEDS[step.does].changes and any(not deciding & before[name] for name in ids):
            what = f"step '{step.id}' changes something before anybody has decided"
            yield InventoryError(what, where=where, hint="let it need a step that 'does: decide'")


def _nobody(view: _View) -> Iterator[InventoryError]:
    access = len(view.district.units)
    for step, where in view.steps():
        if step.does == "decide" and not step.decides:
            yield InventoryError(
                f"step '{step.id}' decides, but it does not say who", where=where, hint="decides: person, or policy"
            )
        elif step.does != "decide" and step.decides:
            yield InventoryError(f"step '{step.id}' says who decides, but does something else", where=where)
        elif step.decides == "policy" and access < _QUORUM:
            what = f"step '{step.id}': nobody can decide by policy"
            why = f"a quorum needs {_QUORUM} units that can be asked; the district has {access}"
            yield InventoryError(what, where=where, why=why)


def _unneeded(view: _View) -> Iterator[InventoryError]:
    needed = {need for step in view.scenario.written.steps for need in step.needs}
    last = {"verify", "tidy"}
    for step, where in view.steps():
        if DEEDS[step.does].changes and step.id not in needed and step.phase not in last:
            what = f"step '{step.id}' changes something that no later step needs or looks at"
            yield InventoryError(what, where=where, hint="let a step that verifies it need it")


def _unsafe(view: _View) -> Iterator[InventoryError]:
    """Yield the steps by which two sites could serve at once."""
    moves = view.scenario.written.moves
    for step, where in view.steps():
        if step.does in _MOVING and step.does not in _FIRST[moves]:
            what = f"step '{step.id}' does '{step.does}', which has no place in a plan that moves services {moves}"
            yield InventoryError(what, where=where, hint="say what the plan moves: away or home")
        elif missing := [need for need in _FIRST[moves].get(step.does, ()) if not _follows(view, step, need)]:
            what = f"step '{step.id}' does '{step.does}' without {', '.join(missing)} before it"
            yield InventoryError(what, where=where, why="two sites could be active at once", hint="let it need them")


def _follows(view: _View, written: Template, need: str) -> bool:
    """Return whether every step that ``written`` stands for comes after one that does ``need`` for its service."""
    before, steps = graph.ancestors(view.plan), {step.id: step for step in view.plan.steps}

    def done(step: Step) -> bool:
        earlier = (steps[name] for name in before[step.id])
        return any(one.does == need and (not step.service or one.service in {"", step.service}) for one in earlier)

    return all(done(step) for step in view.plan.steps if step.id.partition(":")[0] == written.id)


def _unspoken(view: _View) -> Iterator[InventoryError]:
    for step, where in view.steps():
        if step.does == "person" and step.instruction is None:
            yield InventoryError(f"step '{step.id}' does not say what the person has to do", where=where)


_MISTAKES: tuple[Callable[[_View], Iterable[InventoryError]], ...] = (
    _without_undo,
    _undecided,
    _nobody,
    _unneeded,
    _unspoken,
    _unsafe,
)


def _slow(view: _View) -> Iterator[InventoryError]:
    """Yield the services for which the limits of the longest way add up to more than their RTO, people not counted.

    Only of plans in which services are away until they are done.
    """
    if view.scenario.written.moves == "home" or view.scenario.written.about != "services":
        return
    limits = machine_limits(view.plan)
    promised = {policy.id: policy.rto for policy in view.district.protections}
    for service in view.district.services:
        ends = [step.id for step in view.plan.steps if step.service == service.id and step.phase == "verify"]
        way = max((graph.longest(view.plan, limits, end) for end in ends), key=lambda w: _sum(limits, w), default=())
        if _sum(limits, way) > promised[service.protection]:
            what = f"the limits allow {service.id} to be away for {span(round(_sum(limits, way)))}"
            why = f"promised: {span(promised[service.protection])}; the longest way: {' → '.join(way)}"
            yield InventoryError(what, where=view.scenario.where(0), why=why)


def machine_limits(plan: Plan) -> Mapping[str, float]:
    """Return each step's limit in seconds; what waits for people counts nothing, their time is not the plan's."""
    return {step.id: 0.0 if step.phase == "decide" or step.instruction else step.limit for step in plan.steps}


def _sum(seconds: Mapping[str, float], way: Iterable[str]) -> float:
    return sum(seconds[step] for step in way)
