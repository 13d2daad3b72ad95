"""A recovery plan: a graph of steps, as data. Nothing here acts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    must agree before it begins, if anybody.
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


_PHASES: Mapping[str, Phase] = {
    "detect": "detect",
    "fence": "fence",
    "restore": "fetch",
    "start": "start",
    "switch": "switch",
    "verify": "verify",
    "ready": "detect",
    "withdraw": "fence",
    "freeze": "fence",
    "carry": "fetch",
}


def _step(name: str, en: str, zh: str, *needs: str, limit: float = 60.0, service: str = "") -> Step:
    does = name.partition(":")[0]
    return Step(name, Name(en=en, zh=zh), needs, limit, service, phase=_PHASES[does], does=does)


def failover_plan(services: Iterable[str]) -> Plan:
    """Return the plan for a lost main site: nothing starts before the loss is certain or announced unserved."""
    steps = [
        _step("detect", "ask witnesses whether the main site is gone", "向见证单位确认主站点已失效", limit=60),
        _step("fence", "record that the DR site is active", "登记容灾站点为主用", "detect", limit=10),
    ]
    for service in services:
        steps += [
            _step(
                f"restore:{service}",
                f"restore {service} from the DR copy",
                f"从容灾副本恢复 {service}",
                "detect",
                limit=1800,
                service=service,
            ),
            _step(
                f"start:{service}",
                f"start {service} at the DR site",
                f"在容灾站点启动 {service}",
                f"restore:{service}",
                "fence",
                limit=120,
                service=service,
            ),
        ]
    return Plan.of("server-room-lost", [*steps, *_announced(steps)])


def failback_plan(services: Iterable[str]) -> Plan:
    """Return the plan for going home: old addresses go, writing stops, the last state moves, then the addresses."""
    steps = [
        # A room that has its power back needs a moment until its lines are up and routed.
        replace(_step("ready", "check that the main site is whole", "检查主站点是否完好", limit=120), retries=20),
        _step("withdraw", "withdraw the old site's addresses", "撤销主站点的旧地址", "ready", limit=300),
    ]
    for service in services:
        steps += [
            _step(
                f"freeze:{service}",
                f"stop {service} at the DR site",
                f"在容灾站点停止 {service}",
                "withdraw",
                service=service,
            ),
            _step(
                f"carry:{service}",
                f"carry {service} home",
                f"将 {service} 的数据带回主站点",
                f"freeze:{service}",
                limit=1800,
                service=service,
            ),
            _step(
                f"start:{service}",
                f"start {service} at the main site",
                f"在主站点启动 {service}",
                f"carry:{service}",
                limit=120,
                service=service,
            ),
        ]
    return Plan.of("failback", [*steps, *_announced(steps)])


def _announced(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield what follows when every service has been started: its address goes out, and it is used there."""
    started = [step for step in steps if step.id.startswith("start:")]
    ids = (step.id for step in started)
    yield _step("switch", "announce the service addresses", "发布服务地址", *ids, limit=300)
    for name in (step.service for step in started):
        yield _step(f"verify:{name}", f"use {name} at its address", f"按原地址访问 {name}", "switch", service=name)
