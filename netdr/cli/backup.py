"""``netdr backup``: on a services host the work itself, on a controller the same verbs for every host, over ssh."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, get_args

import click

from backup import metrics as prometheus
from backup import remote, report, setup, snapshots, status, work
from backup.acts import Options, acts
from backup.duty import Book
from backup.host import LocalShell
from backup.machine import Machine, this_machine
from backup.remote import Hosts, Order
from backup.report import JobReport, Steps, perform
from backup.repository import Layout
from backup.standing import Standing
from backup.stream import setup as streaming
from backup.stream.extract import NEWEST, Moment
from backup.stream.link import Offer
from backup.verbs import WHERE
from inventory import placement
from inventory.asset import Level
from inventory.holding import holder
from netdr.cli.backuptext import line
from netdr.cli.context import Context
from netdr.cli.drill import drill_here
from netdr.cli.escrow import escrow
from netdr.cli.schedule import schedule
from netdr.kernel.errors import BackupError, NetdrError, UsageError

HERE = click.Option(["--here"], is_flag=True, help="Do it on this host: what schedules and controllers ask for.")
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print the result for programs.")


class When(click.ParamType[Moment]):
    """A moment as ISO 8601 says it, without an offset in this machine's time zone; or ``newest``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:  # noqa: ANN401 - click's
        """Return the moment. Fail as click does if it is none."""
        if isinstance(value, datetime):
            return value
        if value == NEWEST:
            return NEWEST
        try:
            return datetime.fromisoformat(value).astimezone()
        except ValueError:
            self.fail(
                f"'{value}' is no moment; expected 2026-11-23T10:05:30, 2026-11-23T02:05:30+00:00 or newest", param, ctx
            )


@click.group()
def backup() -> None:
    """Back up, copy off site, prove that it comes back."""


@backup.command()
@click.argument("assets", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@click.pass_obj
def init(context: Context, assets: tuple[str, ...], as_json: bool) -> int:
    """Give the hosts their duties, credentials, server and repositories."""
    if _local(here=False):
        raise UsageError("init is run on a controller, which can reach both sites")
    reports = remote.init(_hosts(context), remote.chosen(context.network.district.protected, assets))
    return _show(context, reports, as_json)


def _verb(name: str, words: str, *options: click.Option, required: bool = False) -> None:
    """Add a verb of ``backup.acts``: assets, its own options, --here, --json."""

    @click.pass_obj
    def act(context: Context, /, assets: tuple[str, ...], here: bool, as_json: bool, **said: Any) -> int:  # noqa: ANN401 - click's
        return _do(context, Call(name, assets, here, Options(**said)), as_json)

    parameters = [click.Argument(["assets"], nargs=-1, required=required), *options, HERE, JSON]
    backup.add_command(click.Command(name, callback=act, params=parameters, help=words))


SNAPSHOT = click.Option(["--snapshot"], default=snapshots.LATEST, show_default=True, help="The beginning of an id.")
ORIGIN = click.Option(
    ["--from", "origin"], type=click.Choice(["home", "standby"]), default="standby", show_default=True
)
AT = click.Option(
    ["--at"],
    type=When(),
    help="Databases as they were then: 2026-11-23T10:05[:30][+08:00], local time unless said; or newest.",
)
INTO = click.Option(["--into"], default="", metavar="FOLDER", help="Bring it to FOLDER/ASSET, touch nothing else.")
TO = click.Option(
    ["--to"], default="", metavar="FOLDER", help="On the DR host: copy all to a disk that is carried away."
)
BY = click.Option(["--by"], default="", metavar="NAME", help="Who lets go.")
WHY = click.Option(["--why"], default="", metavar="WORDS", help="The reason.")
NOTE = click.Option(["--note"], default="", metavar="JSON", help="What that host tells.")
LEDGER = click.Option(["--ledger"], default="", metavar="HOST", help="Begin to trust that host's ledger anew.")
_verb("plan", "Show what a run would save now, where it would go, and how fast. Nothing is done.")
_verb("run", "Save assets now and copy them to the DR site.")
_verb("copy", "Copy what the DR site does not have yet.", TO)
_verb("tend", "At the DR site: mend what killed jobs left, note what has come, pull the brake if it looks wrong.")
LEVEL = click.Option(
    ["--level"],
    type=click.Choice(get_args(Level)),
    help="v1: bytes; v2: files equal; v3: it starts; v4: it answers. Default: what the policy says.",
)
_verb("verify", "Prove copies at the DR site: read, restore, compare, start in isolation, ask.", SNAPSHOT, LEVEL)
_verb("mutate", "Try the verifier: damage scratch copies in every way, and see each proof go red.", required=True)
_verb(
    "restore",
    "Put a snapshot in place of a stopped asset's data, where it is active. What was there is kept beside it.",
    SNAPSHOT,
    ORIGIN,
    AT,
    INTO,
    required=True,
)
_verb("prune", "Forget what retention does not keep; at the DR site by its own record of what came when.")
_verb("witness", "At home: note how far the DR host's ledger is; done by tend and verify on a controller.", NOTE)
_verb("release", "Let go of the brake, or of a snapshot's quarantine, after a look.", SNAPSHOT, LEDGER, BY, WHY)
_verb("moment", "Make a snapshot, at the DR site, of databases as they were: what restore --at brings home.", AT)
_verb("stream", "Keep in order what streams to the DR site: canary; slot, receiver, base backups.")
_verb("list", "List the snapshots there are, and which of them are proven.")
_verb("status", "Compare backups, copies and proofs with what was promised. Exit code 9 if a promise is broken.")


backup.add_command(schedule)
backup.add_command(escrow)
backup.add_command(drill_here)


@backup.command()
def metrics() -> None:
    """Print this host's backups as Prometheus text."""
    machine = this_machine()
    if machine is None:
        raise UsageError("metrics are those of a services host", hint="netdr backup status --json on a controller")
    standings: dict[tuple[str, str], Standing] = {}
    broken: dict[tuple[str, str], str] = {}
    for duty in machine.book.duties.values():
        try:
            standings[duty.asset.id, duty.role] = status.of(machine, duty)
        except NetdrError as error:
            click.echo(f"netdr: {error.report()}", err=True)
            broken[duty.asset.id, duty.role] = str(error)
    click.echo(prometheus.text(standings, broken), nl=False)


@backup.command(hidden=True)
@click.argument("assets", nargs=-1)
@click.option("--here", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def accept(context: Context, assets: tuple[str, ...], here: bool, as_json: bool) -> int:  # noqa: ARG001 - as all
    """Take this host's duties and credentials from stdin: what ``init`` runs on each host."""
    handed = json.loads(sys.stdin.read())
    layout, book = Layout(), Book.load(handed["book"], "stdin")
    if handed["access"] is None:
        serve = partial(_receive if "offer" in handed else _serve, handed, book, layout)
        verb = "stream" if "offer" in handed else "accept"
        return _show(context, (perform(verb, "*", book.host, _progress, serve),), as_json)
    setup.home(book, layout, setup.Access.of(handed["access"]))
    shell = LocalShell(book.host)
    machine = this_machine(layout)
    if machine is None:
        raise BackupError("the duties just written are gone", where=str(layout.book))
    duties = [duty for duty in book.select(assets) if duty.role == "home"]
    reports = work.do(
        machine, "init", duties, lambda _, duty, steps: setup.repositories(book, layout, duty, shell, steps), _progress
    )
    if streaming.sites(book, "home"):
        offer = partial(streaming.answer, machine, handed.get("verifiers", {}))
        reports += (perform("stream", streaming.sites(book, "home")[0], book.host, _progress, offer),)
    return _show(context, reports, as_json)


def _serve(_handed: Mapping[str, Any], book: Book, layout: Layout, steps: Steps) -> Mapping[str, object]:
    access = setup.standby(book, layout, datetime.now(UTC), steps).reveal()
    return {"access": access, "verifiers": streaming.greeting(book, layout)}


def _receive(handed: Mapping[str, Any], book: Book, layout: Layout, steps: Steps) -> Mapping[str, object]:
    machine = this_machine(layout)
    if machine is None:
        raise BackupError("this host has no duties yet", where=book.host, hint="run netdr backup init")
    return streaming.accept(machine, Offer.of(handed["offer"]), steps)


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for: a verb for assets, on this host or wherever they are."""

    verb: str
    assets: tuple[str, ...]
    here: bool
    options: Options


def _do(context: Context, call: Call, as_json: bool) -> int:
    machine = _local(here=call.here)
    reports = _here(machine, call) if machine else _there(context, call)
    code = _show(context, reports, as_json)
    # A broken promise is one kind of failure, whatever is behind it.
    return BackupError.exit_code if code and call.verb == "status" else code


def _local(*, here: bool) -> Machine | None:
    """Return this machine if the verb is for it: a services host always, a controller only if it was said so.

    Raise UsageError if it was said so and the machine has no duties.
    """
    machine = this_machine()
    if machine is None and here:
        raise UsageError("this host has no duties", hint="run netdr backup init on a controller")
    return machine if machine and (here or machine.book.role == "services") else None


def _here(machine: Machine, call: Call) -> tuple[JobReport, ...]:
    duties = machine.book.select(call.assets)
    # Without names: what this host is for. A named asset that is not its business is an error of the verb itself.
    fitting = {"active": "home", "home": "home", "standby": "standby"}.get(WHERE[call.verb])
    wanted = [duty for duty in duties if call.assets or fitting in {None, duty.role}]
    return work.do(machine, call.verb, wanted, acts(call.options)[call.verb], _progress)


def _there(context: Context, call: Call) -> tuple[JobReport, ...]:
    wanted = remote.chosen(context.network.district.protected, call.assets)
    now = placement.load(context.state, context.network.district)
    # A disk to be carried away is at the DR host.
    where = "standby" if call.options.to else WHERE[call.verb]
    found = remote.hosts_of(context.network, now, where, wanted)
    if not found:
        raise UsageError(f"nothing to {call.verb}: what you named is active at the DR site, where it is saved at once")
    if call.options.at and call.verb == "restore":
        return _rewind(context, call, found)
    orders = {host: Order(call.verb, tuple(names), call.options.argv) for host, names in found.items()}
    hosts = _hosts(context)
    reports = hosts.each(orders)
    return (*reports, *remote.witness(hosts, reports))


def _rewind(context: Context, call: Call, found: Mapping[str, Sequence[str]]) -> tuple[JobReport, ...]:
    """Restore to a moment: at the DR site at once, at home by way of a snapshot that the DR host makes of it."""
    network, hosts, reports = context.network, _hosts(context), list[JobReport]()
    standby = {one.id: holder(network, one, one.standby) for one in network.district.protected}
    for target, names in found.items():
        for name in names:
            if target == standby[name]:
                reports += hosts.ask(target, Order("restore", (name,), call.options.argv))
            else:
                when = Options(at=call.options.at)
                reports += remote.rewind(hosts, standby[name], target, name, when.argv)
    return tuple(reports)


def _hosts(context: Context) -> Hosts:
    return remote.over_ssh(context.network, context.inventory, context.state, _progress)


def _progress(words: str) -> None:
    click.echo(words, err=True)


def _show(context: Context, reports: Sequence[JobReport], as_json: bool) -> int:
    """Print the reports; return 0, or the exit code of the first problem."""
    if as_json:
        click.echo(report.dump(tuple(reports)))
    else:
        for one in reports:
            click.echo(line(context.text, one))
    problems = [problem for one in reports for problem in one.problems]
    for problem in problems:
        click.echo(f"netdr: {problem.report()}", err=True)
    return problems[0].exit_code if problems else 0
