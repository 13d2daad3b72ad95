"""A recovery plan: a graph of steps, as data. Nothing here acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from inventory.entry import Name
from netdr.kernel.errors import RecoveryError, unknown

# What a step's time counts as: people's time is all in ``decide``, the time in which nobody is served is the whole.
Phase = Literal["detect", "decide", "fence", "fetch", "start", "verify", "switch", "tidy"]
Decider = Literal["", "person", "policy"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do after the steps it ``needs``, within ``limit`` seconds; ``service`` is empty if it serves all.

    ``retries``: how often what fails is tried again, each time after ``run.PAUSE`` seconds. ``does`` and ``undo`` name
    actions, an empty ``undo`` is none; ``before`` and ``after`` name the checks that frame the action. ``decides``: who
    must agree in it, if anybody. ``instruction``: what a person has to do, for a step that only a person can do.
    """

    id: str
    title: Name
    needs: tuple[str, ...] = ()
    limit: float = 60.0
    service: str = ""
    retries: int = 0
    phase: Phase = "start"
    does: str = ""
    undo: str = ""
    decides: Decider = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    instruction: Name | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one scenario, in an order in which each comes after all it needs."""

    scenario: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, scenario: str, steps: Sequence[Step]) -> Plan:
        """Given steps in any order, return the plan. Raise RecoveryError for unknown needs, twins and cycles."""
        by_id = {step.id: step for step in steps}
        if len(by_id) != len(steps):
            raise RecoveryError("two steps have the same id", where=scenario)
        for step in steps:
            for need in step.needs:
                if need not in by_id:
                    raise RecoveryError(f"step '{step.id}' needs an {unknown('step', need, by_id)}", where=scenario)
        try:
            order = tuple(TopologicalSorter({step.id: step.needs for step in steps}).static_order())
        except CycleError as error:
            raise RecoveryError(f"steps wait for each other: {' → '.join(error.args[1])}", where=scenario) from error
        return cls(scenario, tuple(by_id[name] for name in order))
