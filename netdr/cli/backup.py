"""``netdr backup``: on a services host the work itself, on a controller the same verbs for every host, over ssh."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from backup import metrics as prometheus
from backup import place, remote, report, setup, snapshots, status, work
from backup.duty import Book
from backup.host import LocalShell
from backup.machine import Machine, this_machine
from backup.remote import Hosts, Order
from backup.report import JobReport, Steps, perform
from backup.repository import Layout
from inventory import placement
from netdr.cli.backuptext import line
from netdr.cli.context import Context
from netdr.kernel.errors import BackupError, NetdrError, UsageError

SERVICES = click.argument("services", nargs=-1)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
SNAPSHOT = click.option("--snapshot", default=snapshots.LATEST, show_default=True, help="The beginning of an id.")


@click.group()
def backup() -> None:
    """Back up, copy off site, prove that it comes back."""


@backup.command()
@SERVICES
@JSON
@click.pass_obj
def init(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Give the hosts their duties, credentials, server and repositories."""
    if this_machine():
        raise UsageError("init is run on a controller, which can reach both sites")
    reports = remote.init(_hosts(context), remote.chosen(context.network, services))
    return _show(context, reports, as_json)


@backup.command()
@SERVICES
@JSON
@click.pass_obj
def run(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Save services now and copy them to the DR site."""
    return _do(context, "run", services, as_json)


@backup.command()
@SERVICES
@JSON
@click.pass_obj
def copy(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Copy what the DR site does not have yet."""
    return _do(context, "copy", services, as_json)


@backup.command()
@SERVICES
@SNAPSHOT
@JSON
@click.pass_obj
def prove(context: Context, services: tuple[str, ...], snapshot: str, as_json: bool) -> int:
    """Restore copies at the DR site, compare them, start them in isolation, ask them."""
    return _do(context, "prove", services, as_json, ("--snapshot", snapshot))


@backup.command()
@click.argument("services", nargs=-1, required=True)
@SNAPSHOT
@click.option("--from", "origin", type=click.Choice(["home", "standby"]), default="standby", show_default=True)
@JSON
@click.pass_obj
def restore(context: Context, services: tuple[str, ...], snapshot: str, origin: place.Site, as_json: bool) -> int:
    """Put a snapshot in place of a stopped service's data, where it is active. What was there is kept beside it."""
    return _do(context, "restore", services, as_json, ("--snapshot", snapshot, "--from", origin))


@backup.command("list")
@SERVICES
@JSON
@click.pass_obj
def list_(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """List the snapshots there are, and which of them are proven."""
    return _do(context, "list", services, as_json)


@backup.command("status")
@SERVICES
@JSON
@click.pass_obj
def status_(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Compare the newest backup, copy and proof with what was promised. Exit code 9 if a promise is broken."""
    return BackupError.exit_code if _do(context, "status", services, as_json) else 0


@backup.command()
def metrics() -> None:
    """Print this host's backups as Prometheus text."""
    machine = this_machine()
    if machine is None:
        raise UsageError("metrics are those of a services host", hint="netdr backup status --json on a controller")
    standings: dict[tuple[str, str], status.Standing] = {}
    broken = set[str]()
    for duty in machine.book.duties.values():
        try:
            standings[duty.asset.id, duty.role] = status.of(machine, duty)
        except NetdrError as error:
            click.echo(f"netdr: {error.report()}", err=True)
            broken.add(duty.asset.id)
    promises = {name: duty.protection.rpo for name, duty in machine.book.duties.items()}
    click.echo(prometheus.text(standings, promises, frozenset(broken)), nl=False)


@backup.command(hidden=True)
@SERVICES
@JSON
@click.pass_obj
def accept(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Take this host's duties and credentials from stdin: what ``init`` runs on each host."""
    handed = json.loads(sys.stdin.read())
    layout, book = Layout(), Book.load(handed["book"], "stdin")
    if handed["access"] is None:

        def serve(steps: Steps) -> dict[str, object]:
            return {"access": setup.standby(book, layout, datetime.now(UTC), steps).reveal()}

        return _show(context, (perform("accept", "*", book.host, _progress, serve),), as_json)
    setup.home(book, layout, setup.Access.of(handed["access"]))
    shell = LocalShell(book.host)
    machine = this_machine(layout)
    if machine is None:
        raise BackupError("the duties just written are gone", where=str(layout.book))
    duties = [duty for duty in book.select(services) if duty.role == "home"]
    reports = work.do(
        machine, "init", duties, lambda _, duty, steps: setup.repositories(book, layout, duty, shell, steps), _progress
    )
    return _show(context, reports, as_json)


def _do(context: Context, verb: str, services: Sequence[str], as_json: bool, options: tuple[str, ...] = ()) -> int:
    machine = this_machine()
    reports = _here(machine, verb, services, options) if machine else _there(context, verb, services, options)
    return _show(context, reports, as_json)


def _here(machine: Machine, verb: str, services: Sequence[str], options: Sequence[str]) -> tuple[JobReport, ...]:
    given = dict(zip(options[::2], options[1::2], strict=True))
    origin: place.Site = "home" if given.get("--from") == "home" else "standby"
    act = work.acts(given.get("--snapshot", snapshots.LATEST), origin)[verb]
    duties = machine.book.select(services)
    # Without names: what this host is for. A named service that is not its business is an error of the verb itself.
    fitting = {"copy": "home", "prove": "standby", "run": "home"}.get(verb)
    return work.do(machine, verb, [d for d in duties if services or fitting in {None, d.role}], act, _progress)


def _there(context: Context, verb: str, services: Sequence[str], options: tuple[str, ...]) -> tuple[JobReport, ...]:
    wanted = remote.chosen(context.network, services)
    where = placement.load(context.state, context.network.district)
    found = remote.hosts_of(context.network, where, verb, wanted)
    if not found:
        raise UsageError(f"nothing to {verb}: the services are active at the DR site, where they are saved at once")
    orders = {host: Order(verb, tuple(names), options) for host, names in found.items()}
    return _hosts(context).each(orders)


def _hosts(context: Context) -> Hosts:
    return remote.over_ssh(context.network, context.state, _progress)


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
