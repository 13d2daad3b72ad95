"""Scene 7: the server room is lost; every unit works on at the same addresses; the room returns; nothing is missing."""

from __future__ import annotations

import time

from lab import users, visits
from netdr.cli.demo.figures import Figures, ServiceFigures
from netdr.cli.demo.stage import Stage
from netdr.kernel.errors import LabError

# Seconds a unit may take to see a service again once it is announced: the users ask every two seconds.
_SETTLE_S = 20.0


def failover(stage: Stage, figures: Figures) -> None:
    """Lose the main site at once, fail over from the DR site's controller alone, measure at the units."""
    site = stage.site("main")
    with stage.step(f"lose {site}: all its nodes at once", f"失去 {site}：所有节点同时断电"):
        stage.lab("break", site)
        lost_at = time.time()
    with stage.step("fail over, from the DR site's controller alone", "仅由容灾站点控制器执行切换"):
        report = stage.json(stage.dr_controller, "dr", "failover", "--yes", "--lost-at", str(lost_at), limit=300)
    with stage.step("every unit reaches every service it may use, at the same address", "各单位按原地址访问业务"):
        figures.units_served_after_failover = _served(stage)
        time.sleep(stage.visit_every_s + 1)
    for service in stage.services:
        found = visits.read(stage.log)
        survived = _survivors(stage, service.id)
        loss = visits.loss(found, service.id, lost_at, survived)
        rto = loss.worst_rto_s
        if rto is None:
            raise LabError(f"a unit still waits for {service.id}")
        # A service whose users write nothing lost what the restored copy is older than the failure.
        measured = loss.rpo_s if visits.acknowledged(found, service.id) else report["services"][service.id]["rpo_s"]
        rpo = lost_at - stage.writing_since if measured is None else measured
        figures.services[service.id] = ServiceFigures(round(rto, 1), round(rpo, 1), len(loss.lost))
        stage.gone[service.id] = frozenset(loss.lost)


def failback(stage: Stage, figures: Figures) -> None:
    """Give the main site its power back, go home, and look for every acknowledged write of the time in between."""
    site = stage.site("main")
    with stage.step(f"{site} is back", f"{site} 恢复供电"):
        stage.lab("heal", site, limit=120)
    with stage.step("fail back, nothing written in between is lost", "回切：期间写入不丢失"):
        stage.json(stage.dr_controller, "dr", "failback", "--yes", limit=300)
        _served(stage)
        time.sleep(stage.visit_every_s + 1)
    lost = 0
    for service in stage.services:
        found = visits.read(stage.log)
        missing = set(visits.lost(found, service.id, _survivors(stage, service.id)))
        lost += len(missing - stage.gone[service.id])
    figures.failback_lost = lost


def _served(stage: Stage) -> int:
    """Return how many units reach every service that the policy lets them use."""
    end = time.monotonic() + _SETTLE_S
    while True:
        served = set(stage.network.units)
        for service in stage.services:
            answers = users.reached(stage.name, stage.network, service.id)
            served -= {unit for unit, seconds in answers.items() if seconds is None}
        if len(served) == len(stage.network.units) or time.monotonic() > end:
            return len(served)
        time.sleep(0.5)


def _survivors(stage: Stage, service: str) -> frozenset[str]:
    app = next(item.app for item in stage.services if item.id == service)
    if app != "casework":
        return frozenset()
    return users.survivors(stage.name, stage.network, service)
