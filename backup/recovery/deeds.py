"""What a plan's steps can do, and the checks that can frame them: every name that a plan may use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from backup.recovery import failback, failover, mending, pastward
from backup.recovery.plan import Plan, Step
from backup.recovery.run import Action
from backup.recovery.scene import Scene
from backup.recovery.world import Facts

Act = Callable[[Scene, Step, float], Facts]
# Given how many seconds the step's action took (0 before it), raise NetdrError if something is not as it must be.
Check = Callable[[Scene, Step, float], None]


@dataclass(frozen=True, slots=True)
class Deed:
    """``changes``: whether anything is different afterwards. ``again``: why it is safe to do it twice."""

    act: Act
    again: str
    changes: bool = False


def _decide(scene: Scene, step: Step, limit: float) -> Facts:
    """Return who agreed: the majority of the witnesses if the policy decides, else a person."""
    if step.decides == "policy":
        return {"by": "policy", **failover.main_lost(scene, step, limit)}
    return {"by": scene.world.people.decide(step, scene.found, limit)}


def _person(scene: Scene, step: Step, limit: float) -> Facts:
    return {"said": scene.world.people.report(step, limit)}


_LOOKS = "it only looks"
_RUNS = "a service that runs already is left running"
_STOPPED = "a service that is stopped stays stopped"
_REPLACES = "the service is stopped, and what the first try left is replaced as a whole"
_INTENDED = "devices that are as they should be are left alone, a change that never ended is ended first"

DEEDS: Mapping[str, Deed] = {
    "person": Deed(_person, "the person is asked again"),
    "decide": Deed(_decide, "whoever decides is asked again"),
    "main-lost": Deed(failover.main_lost, _LOOKS),
    "main-whole": Deed(failback.main_whole, _LOOKS),
    "site-lost": Deed(mending.site_lost, _LOOKS),
    "site-whole": Deed(mending.site_whole, _LOOKS),
    "device-lost": Deed(mending.device_lost, _LOOKS),
    "device-answers": Deed(mending.device_answers, _LOOKS),
    "edge-answers": Deed(mending.edge_answers, _LOOKS),
    "units-answer": Deed(mending.units_answer, _LOOKS),
    "host-answers": Deed(pastward.host_answers, _LOOKS),
    "choose-good": Deed(pastward.choose_good, _LOOKS),
    "use": Deed(failover.use, _LOOKS),
    "prove": Deed(mending.prove, "a proof works in folders of its own"),
    "record": Deed(failover.record, "the same epoch with the same content is taken over again", changes=True),
    "record-back": Deed(failover.record_back, "as record; a service that runs is left running", changes=True),
    "restore": Deed(failover.restore, _REPLACES, changes=True),
    "bring-newest": Deed(pastward.bring_newest, _REPLACES, changes=True),
    "bring-moment": Deed(pastward.bring_moment, _REPLACES, changes=True),
    "bring-chosen": Deed(pastward.bring_chosen, _REPLACES, changes=True),
    "carry-home": Deed(failback.carry, f"the source is not changed; {_REPLACES}", changes=True),
    "start-away": Deed(failover.start, _RUNS, changes=True),
    "start-home": Deed(failback.start, _RUNS, changes=True),
    "start-active": Deed(pastward.start, _RUNS, changes=True),
    "stop-away": Deed(failover.stop, _STOPPED, changes=True),
    "stop-home": Deed(failback.stop, _STOPPED, changes=True),
    "stop-active": Deed(pastward.stop, _STOPPED, changes=True),
    "announce": Deed(failover.announce, _INTENDED, changes=True),
    "announce-back": Deed(failover.announce_back, _INTENDED, changes=True),
    "withdraw": Deed(failback.withdraw, _INTENDED, changes=True),
    "configure-site": Deed(mending.configure_site, _INTENDED, changes=True),
    "configure-device": Deed(mending.configure_device, _INTENDED, changes=True),
    "copy-off-site": Deed(mending.copy_off_site, "what is there already is not copied again", changes=True),
}

CHECKS: Mapping[str, Check] = {"main-still-lost": failover.main_still_lost}


def bound(plan: Plan, scene: Scene) -> Mapping[str, Action]:
    """Return what each step of a checked plan does in a scene, framed by its checks."""
    return {step.id: partial(_framed, scene, step) for step in plan.steps}


def _framed(scene: Scene, step: Step, limit: float) -> Facts:
    for name in step.before:
        CHECKS[name](scene, step, 0.0)
    began = time.monotonic()
    facts = DEEDS[step.does].act(scene, step, limit)
    for name in step.after:
        CHECKS[name](scene, step, time.monotonic() - began)
    scene.found[step.id] = facts
    return facts
