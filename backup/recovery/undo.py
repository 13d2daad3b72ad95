"""The way back of a run: the undo of each step that was begun, last first. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from backup.recovery import graph
from backup.recovery.plan import Plan, Step
from inventory.entry import Name
from netdr.kernel.errors import RecoveryError

# Before the services go home again, their home must be there.
_READY = Step(
    "undo:ready",
    Name(en="check that the main site is whole", zh="检查主站点是否完好"),
    limit=120.0,
    retries=20,
    phase="detect",
    does="main-whole",
)


def way_back(plan: Plan, begun: Collection[str]) -> Plan:
    """Return the plan that takes back the steps that were ``begun``, whether or not they ended.

    A step is taken back after all that came after it; those without an undo stay as they are. Raise RecoveryError if
    nothing can be taken back.
    """
    before = graph.ancestors(plan)
    back = [step for step in plan.steps if step.id in begun and step.undo]
    steps = [_READY] + [
        replace(
            step,
            id=f"undo:{step.id}",
            title=Name(en=f"take back: {step.title.en}", zh=f"撤销：{step.title.zh}"),
            needs=("undo:ready", *(f"undo:{later.id}" for later in back if step.id in before[later.id])),
            does=step.undo,
            undo="",
            before=(),
            after=(),
        )
        for step in back
    ]
    if not back:
        raise RecoveryError("there is nothing to take back", where=plan.scenario, hint="netdr dr resume goes on")
    return Plan.of(f"{plan.scenario}-undo", steps)
