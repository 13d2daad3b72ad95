"""``netdr plan --twin``: a plan carried out on a lab that is as the network is now, and what that shows.

The lab is this machine's, its devices run the present configurations, and the change is made by netdr itself from the
twin's controller. Nothing of the twin is left afterwards, and nothing of it reaches the network.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import click

from inventory import load
from inventory.policy import expected
from lab import control, machine, matrix
from lab.commands import run
from lab.failing import Sweep, flow
from lab.loss import Loss
from lab.matrix import Observation
from lab.model import LabPlan
from lab.plan import STATE
from lab.probe import Flow
from lab.settle import settled
from lab.sweep import Failure, Swept, Use, uses
from lab.traffic import Traffic
from netdr.cli import labplan
from netdr.cli.context import Context
from netdr.cli.lab import STEPS
from netdr.kernel.errors import DriftError, LabError, MissingError, Problems
from nornir_tasks import render
from nornir_tasks.diff import digest
from nornir_tasks.plan import Plan

# How long to wait for a use that does not work when nothing is broken: before the change it may be what that is for.
_WORKING_S = 3.0
# Beside the devices' own timers: connecting, preparing, reading back, and an abort.
_DEPLOY_S = 300


@dataclass(frozen=True)
class Base:
    """What every device runs, with secrets, and how that is known.

    ``observed``: read from the devices just now. ``rendered``: from an older inventory, and compared with what the plan
    saw on the devices it covers.
    """

    how: Literal["observed", "rendered"]
    running: Mapping[str, str]


@dataclass(frozen=True)
class Trial:
    """What a plan did on the twin. Times in s; ``observations`` and ``swept`` are None if the change was not made."""

    plan: str
    lab: str
    base: str
    up_s: float
    deploy: Mapping[str, Any]
    loss: Mapping[str, Loss]
    observations: tuple[Observation, ...] | None
    swept: Swept | None
    seconds: float

    @property
    def mismatches(self) -> tuple[Observation, ...]:
        """The flows that are not as the policy says."""
        return tuple(seen for seen in self.observations or () if not seen.matches)

    @property
    def done(self) -> bool:
        """Whether the change was made."""
        return made(self.deploy)

    @property
    def ok(self) -> bool:
        """Whether the change was made, the policy holds, and every failure costs only what it must."""
        return self.done and not self.mismatches and not (self.swept and self.swept.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the ``--json`` form."""
        seen = self.observations
        wrong = [{**asdict(item.cell), "observed": "permit" if item.passed else "deny"} for item in self.mismatches]
        return {
            "ok": self.ok,
            "lab": self.lab,
            "base": self.base,
            "up_s": round(self.up_s, 3),
            "deploy": self.deploy,
            "loss": {unit: asdict(loss) for unit, loss in self.loss.items()},
            "matrix": None if seen is None else {"cells": len(seen), "mismatches": wrong},
            "sweep": self.swept.as_dict() if self.swept else None,
            "seconds": round(self.seconds, 3),
        }


def made(report: Mapping[str, Any]) -> bool:
    """Return whether a deploy's report says that the network is as it should be."""
    return report["result"] in {"done", "nothing"}


def rendered(context: Context, change: Plan, before: Path) -> Base:
    """Return the base of a plan that was made elsewhere: what the inventory ``before`` the change renders to.

    Raise Problems naming each device on which the plan saw another configuration: then nobody here knows it.
    """
    older = load.network(before)
    texts = {**render.render_all(older, change.placement, context.secrets)}
    for node in context.network.devices:
        if node.id not in texts:
            texts[node.id] = render.day0(context.network, node.id, context.secrets)
    moved = [
        DriftError(
            f"it does not run what {before} says",
            where=device,
            why=f"the plan saw {seen.running[:8]}, this is {digest(texts[device])[:8]}",
            hint="try the plan on the machine it was made on, or name the inventory that was deployed last",
        )
        for device, seen in change.devices.items()
        if digest(texts[device]) != seen.running
    ]
    if moved:
        raise Problems(moved)
    return Base("rendered", {node.id: texts[node.id] for node in context.network.devices})


def tried(context: Context, change: Plan, base: Base, failures: tuple[Failure, ...]) -> Trial:
    """Carry a plan out on a twin of the network and return what it did; with ``failures``, also what each would do.

    Raise MissingError if this machine cannot run the twin, LabError or Problems if the twin does not come up from the
    present configurations. The twin is removed in any case, also on Ctrl-C.
    """
    start, name = time.monotonic(), f"twin-{change.id.lower()}"
    _check()
    plan = labplan.twin_plan(context, name, change, base.running)
    account = context.network.district.settings.management.account
    with _interruptible(context, name):
        control.up(plan, account, lambda step: context.step(*STEPS[step]))
        try:
            up_s = time.monotonic() - start
            report, loss = _changed(context, change, plan)
            seen = _observed(context, name) if made(report) else None
            found = _swept(context, change, plan, failures) if made(report) and failures else None
        finally:
            with context.step(f"removing the twin {name}", f"清除仿真副本 {name}"):
                control.down(name)
    return Trial(change.id, name, base.how, up_s, report, loss, seen, found, time.monotonic() - start)


def _check() -> None:
    try:
        machine.check()
    except MissingError as error:
        hint = f"{error.hint}\n  or take the plan to a machine that can: netdr plan --twin PLAN --before FOLDER"
        raise MissingError("the twin cannot run here", why=f"{error.what}; {error.why}", hint=hint) from error


@contextmanager
def _interruptible(context: Context, name: str) -> Iterator[None]:
    """Let a wish to end, however it comes, take the twin down."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        text = context.text(f"interrupted: the twin {name} is removed", f"已中断：仿真副本 {name} 已清除")
        click.echo(text, err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flows(context: Context, change: Plan, lab: str) -> Mapping[Use, Flow]:
    network = context.network
    return {use: flow(lab, network, change.placement, use) for use in uses(network, change.controller)}


def _changed(context: Context, change: Plan, plan: LabPlan) -> tuple[Mapping[str, Any], Mapping[str, Loss]]:
    """Carry the plan out while every unit sends packets to the services it reaches; return the report and the loss."""
    name = plan.topology.lab
    with context.step("waiting until the twin's routing has settled", "等待仿真副本路由稳定"):
        flows = _flows(context, change, name)
        alive = settled(flows, _WORKING_S)
    users = {(use.source, use.target): flows[use] for use in flows if use in alive and use.kind == "service"}
    with (
        context.step("carrying the change out on the twin, with users at work", "在仿真副本上执行变更（用户持续访问）"),
        Traffic(users) as traffic,
    ):
        report = _deployed(name, change)
    return report, traffic.losses


def _deployed(lab: str, change: Plan) -> Mapping[str, Any]:
    """Run ``netdr deploy`` on the twin's controller and return its report, or that it was refused, and why."""
    command = [sys.executable, "-m", "netdr", "deploy", f"{STATE}/plans/{change.id}.json", "--yes", "--json"]
    limit = _DEPLOY_S + 2 * change.timers.revert
    done = run([*control.enter(lab, change.controller), *command], limit_s=limit, check=False)
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        words = done.stderr.strip()[-500:]
        raise LabError("netdr deploy printed no report", where=f"{change.controller} of {lab}", why=words) from None
    return report if "result" in report else {"plan": change.id, "result": "refused", **report}


def _observed(context: Context, lab: str) -> tuple[Observation, ...]:
    cells = expected(context.network).cells
    with context.step(f"trying {len(cells)} flows of the policy", f"用真实报文核对 {len(cells)} 条流"):
        return matrix.observe(lab, context.network, cells)


def _swept(context: Context, change: Plan, plan: LabPlan, failures: tuple[Failure, ...]) -> Swept:
    count, live = 0, sys.stderr.isatty()

    def told(failure: Failure) -> None:
        nonlocal count
        count += 1
        text = f"{context.text('failing', '逐一断开')} {count}/{len(failures)}: {failure.name}"
        if live:
            click.echo(f"\r\033[K{text}", err=True, nl=False)
        elif count % 10 == 1:
            click.echo(text, err=True)

    flows = _flows(context, change, plan.topology.lab)
    alive = settled(flows, _WORKING_S)
    kept = {use: flows[use] for use in flows if use in alive}
    found = Sweep(plan.topology, context.network, change.placement, kept).run(failures, told)
    if live:
        click.echo("\r\033[K", err=True, nl=False)
    return found
