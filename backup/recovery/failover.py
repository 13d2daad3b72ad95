"""The main site is lost: its services come up at the DR site, at the same addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from backup.recovery.plan import Plan, failover_plan
from backup.recovery.run import Action
from backup.recovery.world import Facts, World, site_of_kind
from inventory.asset import Service
from inventory.holding import services_host
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError, UnreachableError

# How many units are asked, and how many of those that answer must agree: all. One unit that still reaches the main
# site means that people work there, and a second active site would tear their data in two.
WITNESSES = 5


def failover(world: World, services: Sequence[Service], now: Placement) -> tuple[Plan, Mapping[str, Action]]:
    """Return the plan and its actions for serving ``services`` from the DR site. Nothing has happened yet."""
    plan = failover_plan([service.id for service in services])
    host = services_host(world.network, site_of_kind(world.network, "dr"))
    after = now.moved({service.id: service.standby for service in services})
    actions: dict[str, Action] = {
        "detect": partial(_detect, world),
        "fence": partial(_fence, world, after),
        "switch": partial(_switch, world, after),
    }
    for service in services:
        actions[f"restore:{service.id}"] = partial(world.services.restore, host, service.id)
        actions[f"start:{service.id}"] = partial(world.services.control, host, service.id, "start")
        actions[f"verify:{service.id}"] = partial(world.services.use, service)
    return plan, actions


def witnesses(world: World) -> tuple[str, ...]:
    """Return the access switches that are asked: spread evenly over the units, the same on every call."""
    switches = [node.id for node in world.network.devices if node.role == "access"]
    step = max(1, len(switches) // WITNESSES)
    return tuple(switches[::step][:WITNESSES])


def _detect(world: World, _limit: float) -> Facts:
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
    if not answered:
        raise RecoveryError(
            "no unit could be asked whether the main site is lost",
            where=main,
            why="this controller reaches none of the witnesses, so it may itself be the one that is cut off",
            hint="repair the DR site's line first",
        )
    return {"witnesses": answered}


def _ask(world: World, switch: str, hosts: Sequence[str]) -> tuple[str, ...] | None:
    """Return which hosts a switch reaches, None if it cannot be asked."""
    try:
        return world.witness(switch, hosts)
    except UnreachableError:
        return None


def _fence(world: World, after: Placement, _limit: float) -> Facts:
    world.decide(after)
    return {"epoch": after.epoch}


def _switch(world: World, after: Placement, _limit: float) -> Facts:
    return world.change(after)
