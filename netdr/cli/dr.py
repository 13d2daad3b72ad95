"""``netdr dr``: the services move to the DR site when the main site is lost, and home again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from backup.recovery.failback import failback as failback_actions
from backup.recovery.failover import failover as failover_actions
from backup.recovery.plan import Plan
from backup.recovery.report import Report, figures, write
from backup.recovery.run import Action, Done, Journal, Record, carry_out
from backup.recovery.world import World
from backup.remote import chosen
from inventory import placement
from inventory.asset import Service
from inventory.placement import Placement
from netdr.cli import recovery
from netdr.cli.chaos import chaos
from netdr.cli.context import Context, print_json
from netdr.cli.drill import drill
from netdr.kernel.errors import RecoveryError, UsageError

Scenario = Callable[[World, Sequence[Service], Placement], tuple[Plan, Mapping[str, Action]]]

_services = click.argument("services", nargs=-1, metavar="[SERVICE]…")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")


@click.group()
def dr() -> None:
    """Serve from the DR site when the main site is lost, and from home again."""


dr.add_command(drill)


@dr.command()
@_services
@_yes
@_json
@click.option("--lost-at", type=float, metavar="UNIXTIME", help="When the main site last answered. Default: now.")
@click.pass_obj
def failover(context: Context, services: tuple[str, ...], yes: bool, as_json: bool, lost_at: float | None) -> None:
    """Restore services from the DR copies, start them at the DR site, announce their addresses there.

    Run it on the DR site's controller. It is refused while the main site still answers this controller or any unit.
    With --json: scenario, run, lost_at, services (rto_s, rpo_s, what is allowed, kept), steps.
    """
    _confirm(context, yes, "move the services to the DR site?", "将业务切换到容灾站点？")
    _run(context, failover_actions, services, as_json=as_json, lost_at=lost_at or time.time())


@dr.command()
@_services
@_yes
@_json
@click.pass_obj
def failback(context: Context, services: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Bring services home with everything that was written at the DR site. They pause while their data moves.

    With --json: as failover; the RTO counts from the beginning of the pause.
    """
    _confirm(context, yes, "move the services home?", "将业务切回主站点？")
    _run(context, failback_actions, services, as_json=as_json, lost_at=time.time())


@dr.command()
@_json
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show where each service should be active, and what its hosts say. Exit 11 if that is not so."""
    found = recovery.standing(context)
    epoch = placement.load(context.state, context.network.district).epoch
    sites = {host.id: host.site for host in context.network.hosts("services")}
    wrong = [name for name, row in found.items() if not _as_placed(row, sites)]
    if as_json:
        print_json({"epoch": epoch, "services": found, "wrong": wrong})
    else:
        click.echo(context.text(f"epoch {epoch}", f"第 {epoch} 次决定"))
        for name, row in found.items():
            says = row["hosts"]
            told = ", ".join(f"{host}: {state}" for host, state in says.items()) if isinstance(says, dict) else ""
            click.echo(f"{'!' if name in wrong else ' '} {name:<12} {row['active']:<14} {told}")
    if wrong:
        raise RecoveryError("services are not where they should be", why=", ".join(wrong))


def _as_placed(row: Mapping[str, object], sites: Mapping[str, str]) -> bool:
    says = row["hosts"]
    serving = {sites[host] for host, state in says.items() if state == "serving"} if isinstance(says, dict) else set()
    return serving == {row["active"]}


@dr.command(hidden=True)
@click.pass_obj
def adopt(context: Context) -> None:
    """Take over a placement that another controller decided, from standard input; an older one is refused."""
    now = placement.load(context.state, context.network.district)
    new = placement.parse(sys.stdin.read(), Path("-"), context.network.district)
    if new.epoch < now.epoch:
        raise RecoveryError(f"epoch {new.epoch} is older than epoch {now.epoch}, which this controller knows of")
    placement.save(context.state, new)


def _confirm(context: Context, yes: bool, en: str, zh: str) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody to ask whether to go on", hint="say --yes")
    click.confirm(context.text(en, zh), abort=True, err=True)


def _run(context: Context, scenario: Scenario, names: Sequence[str], *, as_json: bool, lost_at: float) -> None:
    services = chosen(context.network.district.services, names, "service")
    now = placement.load(context.state, context.network.district)
    plan, actions = scenario(recovery.world(context), services, now)
    run = datetime.now(UTC).strftime(f"{plan.scenario}-%Y%m%dT%H%M%SZ")
    told: list[Done] = []
    with closing(Journal(context.state / "journal" / "recovery.db")) as journal:

        def tell(done: Done) -> None:
            told.append(done)
            result = context.text("failed", "失败") if done.failure else f"{done.ended - done.started:.1f} s"
            click.echo(f"{done.step.title.of(context.language)} … {result}", err=True)

        try:
            carry_out(plan, actions, Record(journal, run, tell))
        finally:
            found = figures(context.network, [service.id for service in services], lost_at, told)
            report = Report(plan.scenario, run, lost_at, found, tuple(told))
            path = write(report, context.network, context.state / "reports", context.language)
            click.echo(context.text(f"report: {path}", f"报告：{path}"), err=True)
    if as_json:
        print_json(report.as_dict())
        return
    for name, row in found.items():
        rpo = "–" if row.rpo_s is None else f"{row.rpo_s} s"
        click.echo(f"{name}: RTO {row.rto_s} s ({row.rto_allowed_s} s), RPO {rpo} ({row.rpo_allowed_s} s)")


dr.add_command(chaos)
