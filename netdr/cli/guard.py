"""``netdr dr guard``: the guard of a services host, as that host sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import click

from backup.guard import clock
from backup.guard.book import Book
from backup.guard.files import Place, Record, Standing
from backup.host import LocalShell
from backup.repository import write_private
from backup.stream.daemon import Daemon
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import RecoveryError


@click.group()
def guard() -> None:
    """Ask the guard of this services host: what it may serve, and nothing else."""


@guard.command(hidden=True)
def accept() -> None:
    """Take this host's book from standard input, and make sure that its guard runs with it."""
    place, handed = Place(), json.loads(sys.stdin.read())
    book = Book.load(handed["book"], "-")
    daemon, shell = _daemon(place), LocalShell(book.host)
    fresh = write_private(place.book, book.dump())
    place.orders.mkdir(parents=True, exist_ok=True)
    if fresh and daemon.running():
        daemon.stop(shell)
    if not place.record.exists():
        record = Record(int(handed["epoch"]), dict(handed["active"]))
        record.save(place.record)
        if handed["confirmed"]:
            write_private(place.standing, Standing.taken_over(record, clock.now()).dump())
    daemon.ensure(shell)


@guard.command()
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show on a services host what its guard lets it serve. Exit 11 if there is no guard, or it cannot do its work."""
    place = Place()
    try:
        standing = Standing.load(place.standing.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        hint = "netdr dr watch on a controller starts it"
        raise RecoveryError("this host has no guard", where=str(place.standing), why=str(error), hint=hint) from error
    if as_json:
        print_json(_shown(standing))
    else:
        serves = ", ".join(standing.may) or context.text("nothing", "无")
        click.echo(
            context.text(
                f"epoch {standing.held.epoch}: may serve {serves}", f"第 {standing.held.epoch} 次决定：可提供 {serves}"
            )
        )
    if not _daemon(place).running():
        raise RecoveryError("the guard does not run", hint="netdr dr watch on a controller starts it")
    if standing.problems:
        raise RecoveryError("the guard cannot do all its work", why="; ".join(standing.problems))


def _shown(standing: Standing) -> Mapping[str, object]:
    held = standing.held
    return {
        "epoch": held.epoch,
        "confirmed": held.confirmed,
        "carried_out": standing.acked,
        "may_serve": standing.may,
        "runs": standing.running,
        "fenced": standing.shut,
        "problems": standing.problems,
    }


def _daemon(place: Place) -> Daemon:
    return Daemon("netdr-guard", "netdr guard", (sys.executable, "-P", "-m", "backup.guard"), place.runtime)
