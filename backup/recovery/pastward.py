"""A service whose data is lost or wrong: what a plan can do where it is active, to go back to a point of its past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from backup.recovery import points
from backup.recovery.plan import Step
from backup.recovery.points import Row
from backup.recovery.scene import Scene
from backup.recovery.world import Facts, Point
from netdr.kernel.errors import RecoveryError


def host_answers(scene: Scene, step: Step, _limit: float) -> Facts:
    """Raise RecoveryError if the host where a service is active does not answer."""
    host = scene.active(step.service)
    if not scene.world.answering([host]):
        hint = "if its whole site is lost: netdr dr failover"
        raise RecoveryError(f"the host of {step.service} does not answer", where=host, hint=hint)
    return {"host": host}


def stop(scene: Scene, step: Step, limit: float) -> Facts:
    """Stop a service where it is active."""
    return scene.world.services.control(scene.active(step.service), step.service, "stop", limit)


def start(scene: Scene, step: Step, limit: float) -> Facts:
    """Start a service where it is active."""
    return scene.world.services.control(scene.active(step.service), step.service, "start", limit)


def bring_newest(scene: Scene, step: Step, limit: float) -> Facts:
    """Put the newest point into place."""
    return scene.world.services.bring(step.service, Point(), limit)


def bring_moment(scene: Scene, step: Step, limit: float) -> Facts:
    """Put the moment that was asked for into place."""
    return scene.world.services.bring(step.service, Point(moment=scene.moment), limit)


def choose_good(scene: Scene, step: Step, limit: float) -> Facts:
    """Return the last good snapshot: proven, not in quarantine, older than what an open brake is about."""
    rows = cast("Sequence[Row]", scene.world.services.job("list", step.service, limit)["snapshots"])
    row = points.last_good(rows, step.service)
    return {"snapshot": row["snapshot"], "as_of": row["as_of"], "service": step.service}


def bring_chosen(scene: Scene, step: Step, limit: float) -> Facts:
    """Put the snapshot into place that the step before has chosen, and that a person has agreed to."""
    chosen = next(scene.found[need] for need in step.needs if "snapshot" in scene.found.get(need, {}))
    return scene.world.services.bring(step.service, Point(snapshot=str(chosen["snapshot"])), limit)
