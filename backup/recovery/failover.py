"""The main site is lost: what a plan can do to serve from the DR site, at the same addresses, and to take that back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from backup.recovery.plan import Step
from backup.recovery.scene import Scene
from backup.recovery.world import Facts, World, site_of_kind
from netdr.kernel.errors import RecoveryError, UnreachableError

# How many units are asked. A majority of them must answer, and of those that answer none may reach the main site: one
# that does means that people work there, and a second active site would tear their data in two.
WITNESSES = 5
# Seconds: what was seen longer ago than this proves nothing about now.
FRESH = 15.0


def witnesses(world: World) -> tuple[str, ...]:
    """Return the access switches that are asked: spread evenly over the units, the same on every call."""
    switches = [node.id for node in world.network.devices if node.role == "access"]
    step = max(1, len(switches) // WITNESSES)
    return tuple(switches[::step][:WITNESSES])


def main_lost(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Return the ``witnesses`` that agree. Raise RecoveryError if anybody reaches the main site, or too few answer."""
    world = scene.world
    main = site_of_kind(world.network, "main")
    hosts = [node.id for node in world.network.at_site(main) if node.kind == "host"]
    refuse = partial(RecoveryError, "the main site still answers: a second active site would tear the data in two")
    hint = "repair the main site instead; for a planned move stop its services first"
    if alive := world.answering(hosts):
        raise refuse(where=main, why=f"this controller reaches {', '.join(alive)}", hint=hint)
    asked = witnesses(world)
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        seen = dict(zip(asked, pool.map(lambda switch: _ask(world, switch, hosts), asked), strict=True))
    for switch, reached in seen.items():
        if reached:
            raise refuse(where=main, why=f"{switch} reaches {', '.join(reached)}", hint=hint)
    answered = [switch for switch, reached in seen.items() if reached is not None]
    _demand_majority(main, asked, answered)
    return {"witnesses": answered}


def _demand_majority(main: str, asked: Sequence[str], answered: Sequence[str]) -> None:
    if 2 * len(answered) > len(asked):
        return
    reached = f"{len(answered)} of the {len(asked)} witnesses" if answered else "none of the witnesses"
    raise RecoveryError(
        "too few units could be asked" if answered else "no unit could be asked whether the main site is lost",
        where=main,
        why=f"this controller reaches {reached}, so it may itself be the one that is cut off",
        hint="repair the DR site's line first",
    )


def _ask(world: World, switch: str, hosts: Sequence[str]) -> tuple[str, ...] | None:
    """Return which hosts a switch reaches, None if it cannot be asked."""
    try:
        return world.witness(switch, hosts)
    except UnreachableError:
        return None


def main_still_lost(scene: Scene, step: Step, seconds: float) -> None:
    """Raise RecoveryError as ``main_lost`` does, if the step took so long that what was seen before it is stale."""
    if seconds > FRESH:
        main_lost(scene, step, step.limit)


def record(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Record the placement after the move on every controller that answers."""
    scene.world.decide(scene.after)
    return {"epoch": scene.after.epoch}


def record_back(scene: Scene, _step: Step, limit: float) -> Facts:
    """Record that the services are at home again, by a newer decision, and start them there."""
    scene.world.decide(scene.back)
    for service in scene.services:
        scene.world.services.control(scene.home, service.id, "start", limit)
    return {"epoch": scene.back.epoch}


def restore(scene: Scene, step: Step, limit: float) -> Facts:
    """Put the newest that has come to the DR site into place there. Nobody is served from it before it is started."""
    return scene.world.services.restore(scene.away, step.service, limit)


def start(scene: Scene, step: Step, limit: float) -> Facts:
    """Start a service at the DR site."""
    return scene.world.services.control(scene.away, step.service, "start", limit)


def stop(scene: Scene, step: Step, limit: float) -> Facts:
    """Stop a service at the DR site."""
    return scene.world.services.control(scene.away, step.service, "stop", limit)


def announce(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Make the network follow the placement after the move."""
    return scene.world.change(scene.after)


def announce_back(scene: Scene, _step: Step, _limit: float) -> Facts:
    """Make the network follow the placement before the move."""
    return scene.world.change(scene.back)


def use(scene: Scene, step: Step, limit: float) -> Facts:
    """Use a service at its address."""
    return scene.world.services.use(scene.service(step), limit)
