"""Beginning, resuming and taking back runs of recovery plans, for ``netdr dr``: one at a time, told as they go."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click

from backup.host import stop_all
from backup.recovery import lint, runs, scenario, state
from backup.recovery.alone import alone
from backup.recovery.deeds import bound
from backup.recovery.plan import Plan
from backup.recovery.report import Report, figures, write
from backup.recovery.run import Done, Journal, Record, carry_out
from backup.recovery.runs import Past, Run
from backup.recovery.scenario import Scenario
from backup.recovery.scene import Scene, moved
from backup.recovery.undo import way_back
from backup.remote import chosen
from inventory import placement
from inventory.asset import Service
from netdr.cli import recovery
from netdr.cli.context import Context, print_json
from netdr.cli.people import Terminal
from netdr.kernel.errors import NetdrError, Problems, RecoveryError, StoppedError, UsageError, unknown

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


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: a scenario for services, or for a site or device. ``lost_at``: Unix time, none is now."""

    scenario: str
    names: tuple[str, ...] = ()
    moment: str = ""
    lost_at: float | None = None


@dataclass(frozen=True)
class Desk:
    """Where a run is worked at: the journal, who is asked, how it is told. The lock is held meanwhile."""

    context: Context
    journal: Journal
    people: Terminal
    as_json: bool
    told: list[Done] = field(default_factory=list)

    @property
    def past(self) -> tuple[Past, ...]:
        """All runs of this controller."""
        return runs.past(self.journal)

    @property
    def state(self) -> state.State:
        """The state they led to."""
        network = self.context.network
        return state.state(self.past, placement.load(self.context.state, network.district), network.district)

    def tell(self, done: Done) -> None:
        """Print a step that has ended."""
        self.told.append(done)
        result = self.context.text("failed", "失败") if done.failure else f"{done.ended - done.started:.1f} s"
        click.echo(f"{done.step.title.of(self.context.language)} … {result}", err=True)


def scenarios(context: Context) -> dict[str, Scenario]:
    """Return every scenario by its name, the district's own in place of the shipped ones."""
    return dict(scenario.load_all(context.inventory / PLANS))


def journal_of(context: Context) -> Path:
    """Return the file of this controller's recovery runs."""
    return context.state / "journal" / "recovery.db"


@contextmanager
def desk(context: Context, what: str, *, yes: bool, as_json: bool = False) -> Iterator[Desk]:
    """Yield the desk while nobody else has it. Raise BusyError, saying who has it, if somebody does."""
    path = journal_of(context)
    with alone(path.with_suffix(".lock"), what), closing(Journal(path)) as journal:
        yield Desk(context, journal, Terminal(context, yes=yes), as_json)


def begin(at: Desk, wish: Wish, verb: state.Verb) -> None:
    """Carry out a scenario from its beginning. Raise RecoveryError if the state does not allow it."""
    found = scenario.named(scenarios(at.context), wish.scenario)
    if mistakes := lint.lint(found, at.context.network.district).mistakes:
        raise Problems(mistakes)
    state.demand(verb, at.state)
    run = _run(at.context, found, wish)
    for old in at.past:
        if old.open and old.run.moves != "nowhere":
            at.journal.note(old.run.id, "abandoned", {"for": run.id})
    at.journal.note(run.id, "begun", run.as_dict())
    _go(at, run)


def resume(at: Desk, name: str) -> None:
    """Go on with an open run where it stopped, or with its way back. Raise RecoveryError if there is none."""
    one = runs.one_open(at.past, name)
    (_go_back if one.fate == "undoing" else _go)(at, one.run)


def undo(at: Desk) -> None:
    """Take back a failover that nobody has committed, or one that is under way."""
    state.demand("undo", at.state)
    context = at.context
    now = placement.load(context.state, context.network.district)
    open_ = [one for one in at.past if one.open and one.touched and one.run.moves == "away"]
    one = open_[0] if open_ else state.reversible(at.past, now)
    if one is None:
        raise RecoveryError("there is nothing to take back")
    at.journal.note(one.run.id, "undoing", {})
    _go_back(at, one.run)


def commit(at: Desk) -> Run:
    """End the time in which a failover can be taken back. Return it."""
    state.demand("commit", at.state)
    one = state.reversible(at.past, placement.load(at.context.state, at.context.network.district))
    if one is None:
        raise RecoveryError("there is nothing to commit")
    at.journal.note(one.run.id, "committed", {})
    return one.run


def _go(at: Desk, run: Run) -> None:
    try:
        _carry(at, run, run.plan, run.after.epoch)
    except (NetdrError, KeyboardInterrupt):
        past = next(one for one in at.past if one.run.id == run.id)
        idle = run.moves != "nowhere" and not past.touched
        at.journal.note(run.id, "abandoned" if idle else "failed", {})
        raise
    at.journal.note(run.id, "ended", {})


def _go_back(at: Desk, run: Run) -> None:
    begun = {row.step for row in at.journal.history(run.id) if row.state == "begun"}
    _carry(at, run, way_back(run.plan, begun), run.after.epoch + 1)
    at.journal.note(run.id, "undone", {})


def _carry(at: Desk, run: Run, plan: Plan, newest: int) -> None:
    """Carry out what is left of a plan, then write the report. ``newest``: the highest epoch it may find."""
    context = at.context
    network = context.network
    epoch = placement.load(context.state, network.district).epoch
    if run.moves != "nowhere" and epoch > newest:
        what = f"epoch {epoch} was decided after this run began with epoch {run.now.epoch}"
        raise RecoveryError(what, where=run.id, hint="begin anew: netdr dr status says where the services are")
    earlier = runs.done(plan, at.journal.history(run.id))
    at.told.extend(earlier)
    found = {one.step.id: one.facts for one in earlier}
    services = chosen(network.district.services, run.services, "service")
    world = recovery.world(context, at.people)
    scene = Scene(world, services, run.now, run.after, run.subject, run.moment, found)
    record = Record(at.journal, run.id, at.tell, stop=_stopper(at))
    try:
        carry_out(plan, bound(plan, scene), record, earlier=earlier)
    except KeyboardInterrupt:
        hint = "netdr dr resume goes on, netdr dr undo goes back"
        raise StoppedError("stopped; every step that was done is in the journal", where=run.id, hint=hint) from None
    finally:
        _report(at, run, plan)
    _show(at, run, plan)


def _stopper(at: Desk) -> Callable[[], object]:
    def stop() -> None:
        at.people.stop()
        stop_all()

    return stop


def _reported(at: Desk, run: Run, plan: Plan) -> Report:
    found = figures(at.context.network, run.services, run.lost_at, at.told)
    name = run.id if plan.scenario == run.plan.scenario else f"{run.id}-undo"
    return Report(plan.scenario, name, run.lost_at, found, tuple(at.told), plan.steps)


def _report(at: Desk, run: Run, plan: Plan) -> None:
    context = at.context
    path = write(_reported(at, run, plan), context.network, context.state / "reports", context.language)
    click.echo(context.text(f"report: {path}", f"报告：{path}"), err=True)


def _show(at: Desk, run: Run, plan: Plan) -> None:
    report = _reported(at, run, plan)
    if at.as_json:
        print_json(report.as_dict())
        return
    for name, row in report.services.items():
        rpo = "–" if row.rpo_s is None else f"{row.rpo_s} s"
        click.echo(f"{name}: RTO {row.rto_s} s ({row.rto_allowed_s} s), RPO {rpo} ({row.rpo_allowed_s} s)")


def _run(context: Context, found: Scenario, wish: Wish) -> Run:
    """Return the run that a wish asks for. Raise UsageError or RecoveryError if it does not fit the district."""
    district, written = context.network.district, found.written
    now = placement.load(context.state, district)
    subject = "" if written.about == "services" else _subject(context, written.about, wish.names)
    services = _movable(context, found, wish.names, now.active) if not subject else district.services
    if written.needs_moment != bool(wish.moment):
        what = "needs a moment" if written.needs_moment else "goes to no moment"
        raise UsageError(f"scenario '{found.id}' {what}", hint="--at 2026-11-23T10:05:30+08:00")
    names = tuple(service.id for service in services)
    return Run(
        id=datetime.now(UTC).strftime(f"{found.id}-%Y%m%dT%H%M%S.%fZ"),
        moves=written.moves,
        services=names,
        now=now,
        after=moved(found, services, now),
        lost_at=wish.lost_at or time.time(),
        plan=found.plan(names),
        subject=subject,
        moment=wish.moment,
    )


def _subject(context: Context, about: str, names: Sequence[str]) -> str:
    network = context.network
    known = [one.id for one in (network.district.sites if about == "site" else network.devices)]
    if len(names) != 1:
        raise UsageError(f"name the {about} that is lost", hint=f"known: {', '.join(known)}")
    if names[0] not in known:
        raise UsageError(unknown(about, names[0], known))
    return names[0]


def _movable(context: Context, found: Scenario, names: Sequence[str], active: Mapping[str, str]) -> tuple[Service, ...]:
    """Return the services asked for, by default all that can be moved. Raise RecoveryError for those that cannot."""
    wanted = chosen(context.network.district.services, names, "service")
    if found.written.moves == "nowhere":
        return wanted
    at_home = found.written.moves == "away"
    fit = tuple(one for one in wanted if (active[one.id] == one.home) == at_home)
    wrong = [one.id for one in wanted if one not in fit]
    if not fit or (names and wrong):
        where = "at the DR site" if at_home else "at home"
        raise RecoveryError(f"already {where}: {', '.join(wrong)}", hint="netdr dr status")
    return fit


def demand_someone(*, yes: bool) -> None:
    """Raise UsageError if a decision would be needed and nobody is there to ask."""
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody to ask whether to go on", hint="say --yes")


def confirm(context: Context, en: str, zh: str, *, yes: bool) -> None:
    """Ask whether to go on. Raise UsageError if nobody can be asked, click.Abort if the answer is no."""
    if yes:
        return
    demand_someone(yes=yes)
    click.confirm(context.text(en, zh), abort=True, err=True)


def verb_of(context: Context, name: str) -> state.Verb:
    """Return as which verb a scenario counts, by what it moves."""
    verbs: Mapping[str, state.Verb] = {"away": "failover", "home": "failback", "nowhere": "run"}
    return verbs[scenario.named(scenarios(context), name).written.moves]


def standing(context: Context) -> tuple[state.State, tuple[str, ...]]:
    """Return the state, and the runs that are not finished."""
    network = context.network
    with closing(Journal(journal_of(context))) as journal:
        past = runs.past(journal)
    now = placement.load(context.state, network.district)
    return state.state(past, now, network.district), tuple(one.run.id for one in past if one.open)
