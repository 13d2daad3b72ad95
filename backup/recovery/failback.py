"""The main site is back: its services go home with everything that was written in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from backup.recovery.plan import Plan, failback_plan
from backup.recovery.run import Action
from backup.recovery.world import Facts, World, site_of_kind
from inventory.asset import Service
from inventory.holding import services_host
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError


def failback(world: World, services: Sequence[Service], now: Placement) -> tuple[Plan, Mapping[str, Action]]:
    """Return the plan and its actions for serving ``services`` from home again. Nothing has happened yet."""
    plan = failback_plan([service.id for service in services])
    there = services_host(world.network, site_of_kind(world.network, "dr"))
    home = services_host(world.network, site_of_kind(world.network, "main"))
    after = now.moved({service.id: service.home for service in services})
    actions: dict[str, Action] = {
        "ready": partial(_ready, world, [service.id for service in services], home),
        "withdraw": partial(_withdraw, world, now),
        "switch": partial(_switch, world, after),
    }
    for service in services:
        actions[f"freeze:{service.id}"] = partial(world.services.control, there, service.id, "stop")
        actions[f"carry:{service.id}"] = partial(world.services.carry, there, home, service.id)
        actions[f"start:{service.id}"] = partial(world.services.control, home, service.id, "start")
        actions[f"verify:{service.id}"] = partial(world.services.use, service)
    return plan, actions


def _ready(world: World, services: Sequence[str], home: str, limit: float) -> Facts:
    """Refuse unless every node of the main site answers and none of the services is active there."""
    main = site_of_kind(world.network, "main")
    nodes = [node.id for node in world.network.at_site(main)]
    missing = sorted(set(nodes) - set(world.answering(nodes)))
    if missing:
        raise RecoveryError(
            "the main site is not whole yet",
            where=main,
            why=f"no answer from {', '.join(missing)}",
            hint="wait until they are up, or repair them; the services go on at the DR site meanwhile",
        )
    for service in services:
        # A room that comes back must not serve its old data; stopping is safe when nothing runs.
        world.services.control(home, service, "stop", limit)
    return {"nodes": len(nodes)}


def _withdraw(world: World, now: Placement, _limit: float) -> Facts:
    """Make the returned devices follow the placement of today: the services' old routes go.

    The controllers of the main site have slept through the failover, so they are told again.
    """
    world.decide(now)
    return world.change(now)


def _switch(world: World, after: Placement, _limit: float) -> Facts:
    world.decide(after)
    return world.change(after)
