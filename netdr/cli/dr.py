"""``netdr dr``: the services move to the DR site when the main site is lost, and home again."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import click

from backup.recovery.state import ALLOWED
from backup.recovery.wish import Wish
from inventory import placement
from netdr.cli import drrun, guard, recovery, watch
from netdr.cli.chaos import chaos
from netdr.cli.context import Context, print_json
from netdr.cli.drill import drill
from netdr.cli.drplan import plan
from netdr.cli.drreport import report
from netdr.kernel.errors import RecoveryError

# The scenarios that have verbs of their own.
FAILOVER, FAILBACK = "server-room-lost", "failback"

_services = click.argument("services", nargs=-1, metavar="[SERVICE]…")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")


@click.group()
def dr() -> None:
    """Serve from the DR site when the main site is lost, and from home again."""


dr.add_command(drill)
for _command in (*watch.COMMANDS, guard.guard):
    dr.add_command(_command)


@dr.command()
@_services
@_yes
@_json
@click.option("--lost-at", type=float, metavar="UNIXTIME", help="When the main site last answered. Default: now.")
@click.pass_obj
def failover(context: Context, services: tuple[str, ...], yes: bool, as_json: bool, lost_at: float | None) -> None:
    """Restore services from the DR copies, start them at the DR site, announce their addresses there.

    Run it on the DR site's controller. It is refused while the main site still answers this controller or any unit.
    Until it is committed it can be taken back. With --json: scenario, run, lost_at, services (rto_s, rpo_s, what is
    allowed, kept), steps.
    """
    drrun.demand_someone(yes=yes)
    with drrun.desk(context, "netdr dr failover", yes=yes) as at:
        drrun.show(context, at.begin(Wish(FAILOVER, services, lost_at=lost_at or time.time())), as_json=as_json)


@dr.command()
@_services
@_yes
@_json
@click.pass_obj
def failback(context: Context, services: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Bring services home with everything that was written at the DR site. They pause while their data moves.

    With --json: as failover; the RTO counts from the beginning.
    """
    drrun.demand_someone(yes=yes)
    with drrun.desk(context, "netdr dr failback", yes=yes) as at:
        drrun.show(context, at.begin(Wish(FAILBACK, services)), as_json=as_json)


@dr.command()
@click.argument("scenario")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@_yes
@_json
@click.option("--at", "moment", default="", metavar="TIME", help="The moment to go back to: 2026-11-23T10:05:30+08:00.")
@click.pass_obj
def run(context: Context, scenario: str, names: tuple[str, ...], yes: bool, as_json: bool, moment: str) -> None:  # noqa: PLR0913, PLR0917 - one argument per option
    """Carry out the plan of any SCENARIO for services, or for the site or device NAME that is lost.

    With --yes decisions are made already; what a person has to do is asked for all the same.
    """
    drrun.demand_someone(yes=yes)
    with drrun.desk(context, f"netdr dr run {scenario}", yes=yes) as at:
        drrun.show(context, at.begin(Wish(scenario, names, moment=moment)), as_json=as_json)


@dr.command()
@click.argument("name", metavar="[RUN]", default="")
@_yes
@_json
@click.pass_obj
def resume(context: Context, name: str, yes: bool, as_json: bool) -> None:
    """Go on with a run that was stopped, killed or failed: what is done is not done again."""
    with drrun.desk(context, "netdr dr resume", yes=yes) as at:
        drrun.show(context, at.resume(name), as_json=as_json)


@dr.command()
@_yes
@_json
@click.pass_obj
def undo(context: Context, yes: bool, as_json: bool) -> None:
    """Take back a failover that is under way or not committed: the services go home as they were there.

    What was written at the DR site since is left behind: netdr dr failback takes it along.
    """
    drrun.confirm(
        context,
        "take the failover back, and leave behind what was written at the DR site?",
        "撤销切换，并放弃容灾站点期间的写入？",
        yes=yes,
    )
    with drrun.desk(context, "netdr dr undo", yes=True) as at:
        drrun.show(context, at.undo(), as_json=as_json)


@dr.command()
@_yes
@_json
@click.pass_obj
def commit(context: Context, yes: bool, as_json: bool) -> None:
    """End the time in which the last failover can be taken back."""
    drrun.confirm(context, "commit the failover?", "确认本次切换，不再撤销？", yes=yes)
    with drrun.desk(context, "netdr dr commit", yes=True) as at:
        done = at.commit()
    if as_json:
        print_json({"run": done.id, "epoch": done.after.epoch})
    else:
        click.echo(context.text(f"{done.id} is committed", f"已确认 {done.id}"))


@dr.command()
@_json
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show the state, where each service should be active, and what its hosts say. Exit 11 if that is not so."""
    now, opened = drrun.standing(context)
    found = recovery.standing(context)
    epoch = placement.load(context.state, context.network.district).epoch
    sites = {host.id: host.site for host in context.network.hosts("services")}
    wrong = [name for name, row in found.items() if not _as_placed(row, sites)]
    if as_json:
        whole = {"epoch": epoch, "state": now, "possible": ALLOWED[now], "open": opened}
        print_json({**whole, "services": found, "wrong": wrong})
    else:
        verbs = ", ".join(f"netdr dr {verb}" for verb in ALLOWED[now])
        click.echo(context.text(f"epoch {epoch}, {now}", f"第 {epoch} 次决定，{drrun.STATES[now]}"))
        click.echo(context.text(f"possible: {verbs}", f"可执行：{verbs}"))
        for name in opened:
            click.echo(context.text(f"not finished: {name}", f"未完成：{name}"))
        _show_services(found, wrong)
    if wrong:
        raise RecoveryError("services are not where they should be", why=", ".join(wrong))


def _show_services(found: Mapping[str, Mapping[str, object]], wrong: Collection[str]) -> None:
    for name, row in found.items():
        says = row["hosts"]
        told = ", ".join(f"{host}: {how}" for host, how in says.items()) if isinstance(says, dict) else ""
        click.echo(f"{'!' if name in wrong else ' '} {name:<12} {row['active']:<14} {told}")


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


dr.add_command(chaos)
dr.add_command(plan)
dr.add_command(report)
