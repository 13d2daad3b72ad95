"""The main site is back: what a plan can do to bring services home with everything that was written in between."""

from __future__ import annotations

from backup.recovery.plan import Step
from backup.recovery.scene import Scene
from backup.recovery.world import Facts, site_of_kind
from netdr.kernel.errors import RecoveryError


def main_whole(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Raise RecoveryError unless every node of the main site answers."""
    main = site_of_kind(scene.world.network, "main")
    nodes = [node.id for node in scene.world.network.at_site(main)]
    missing = sorted(set(nodes) - set(scene.world.answering(nodes)))
    if missing:
        raise RecoveryError(
            "the main site is not whole yet",
            where=main,
            why=f"no answer from {', '.join(missing)}",
            hint="wait until they are up, or repair them; the services go on at the DR site meanwhile",
        )
    return {"nodes": len(nodes)}


def withdraw(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Make the returned devices follow the placement of today: the services' old routes go.

    The controllers of the main site have slept through the failover, so they are told again.
    """
    scene.world.decide(scene.now)
    return scene.world.change(scene.now)


def start(scene: Scene, step: Step, limit: float) -> Facts:
    """Start a service at home."""
    return scene.world.services.control(scene.home, step.service, "start", limit)


def stop(scene: Scene, step: Step, limit: float) -> Facts:
    """Stop a service at home: a room that comes back must not serve its old data."""
    return scene.world.services.control(scene.home, step.service, "stop", limit)


def carry(scene: Scene, step: Step, limit: float) -> Facts:
    """Bring the stopped service's last state from the DR site home."""
    return scene.world.services.carry(scene.away, scene.home, step.service, limit)
