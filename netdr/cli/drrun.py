"""The desk of ``netdr dr``: of real parts, behind the lock, telling and reporting as it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import click

from backup.host import stop_all
from backup.recovery import runs, scenario, state
from backup.recovery.alone import alone
from backup.recovery.desk import Carried, Desk
from backup.recovery.report import Report, figures, write
from backup.recovery.run import Done, Journal
from backup.recovery.scenario import Scenario
from inventory import placement
from netdr.cli import recovery
from netdr.cli.context import Context, print_json
from netdr.cli.people import Terminal
from netdr.kernel.errors import RecoveryError, UsageError

# The folder of a district's own plans.
PLANS = "plans"
# What a Chinese reader is told of a state.
STATES: Mapping[state.State, str] = {
    "protected": "受保护",
    "failing-over": "切换未完成",
    "failed-over": "已切换（可撤销）",
    "committed": "已切换（已确认）",
    "failing-back": "回切未完成",
    "undoing": "撤销未完成",
}


def scenarios(context: Context) -> Mapping[str, Scenario]:
    """Return every scenario by its name, the district's own in place of the shipped ones."""
    return scenario.load_all(context.inventory / PLANS)


def journal_of(context: Context) -> Path:
    """Return the file of this controller's recovery runs."""
    return context.state / "journal" / "recovery.db"


@contextmanager
def desk(context: Context, what: str, *, yes: bool) -> Iterator[Desk]:
    """Yield the desk while nobody else has it. Raise BusyError, saying who has it for what, if somebody does."""
    path, people = journal_of(context), Terminal(context, yes=yes)

    def stop() -> None:
        people.stop()
        stop_all()

    with alone(path.with_suffix(".lock"), what), closing(Journal(path)) as journal:
        yield Desk(
            world=recovery.world(context, people),
            scenarios=scenarios(context),
            placement=lambda: placement.load(context.state, context.network.district),
            journal=journal,
            tell=partial(_tell, context),
            report=partial(_report, context),
            stop=stop,
        )


def show(context: Context, carried: Carried, *, as_json: bool) -> None:
    """Print what was achieved."""
    report = _reported(context, carried)
    if as_json:
        print_json(report.as_dict())
        return
    for name, row in report.services.items():
        rpo = "–" if row.rpo_s is None else f"{row.rpo_s} s"
        click.echo(f"{name}: RTO {row.rto_s} s ({row.rto_allowed_s} s), RPO {rpo} ({row.rpo_allowed_s} s)")


def standing(context: Context) -> tuple[state.State, tuple[str, ...]]:
    """Return the state, and the runs that are not finished."""
    district = context.network.district
    with closing(Journal(journal_of(context))) as journal:
        past = runs.past(journal)
    now = placement.load(context.state, district)
    return state.state(past, now, district), tuple(one.run.id for one in past if one.open)


def demand_someone(*, yes: bool) -> None:
    """Raise UsageError if a decision would be needed and nobody is there to ask."""
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody to ask whether to go on", hint="say --yes")


def confirm(context: Context, en: str, zh: str, *, yes: bool) -> None:
    """Ask whether to go on. Raise UsageError if nobody can be asked, click.Abort if the answer is no."""
    if not yes:
        demand_someone(yes=yes)
        click.confirm(context.text(en, zh), abort=True, err=True)


def _tell(context: Context, done: Done) -> None:
    result = context.text("failed", "失败") if done.failure else f"{done.ended - done.started:.1f} s"
    click.echo(f"{done.step.title.of(context.language)} … {result}", err=True)


def _report(context: Context, carried: Carried) -> None:
    """Write the report. That it cannot be written is said, and changes nothing of how the run ended."""
    try:
        path = write(_reported(context, carried), context.network, context.state / "reports", context.language)
    except RecoveryError as error:
        click.echo(f"netdr: {error.report()}", err=True)
        return
    click.echo(context.text(f"report: {path}", f"报告：{path}"), err=True)


def _reported(context: Context, carried: Carried) -> Report:
    run = carried.run
    found = figures(context.network, run.services, run.lost_at, carried.done)
    plan = carried.plan
    return Report(plan.scenario, carried.name, run.lost_at, found, carried.done, plan.steps)
