"""``netdr backup escrow``: keys that only k of n people together can open, and the way back from them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from backup import remote, report
from backup.escrow import keep, recover, spread
from backup.escrow.bundle import Bundle
from backup.escrow.keep import Keeper
from backup.host import LocalShell
from backup.machine import Machine, this_machine
from backup.report import JobReport, Steps, perform
from backup.restic import Restic
from backup.snapshots import LATEST
from inventory import secrets as vault
from netdr.cli.config import json_option
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import StoppedError
from netdr.kernel.secret import Secret

Facts = Mapping[str, object]
HERE = click.option("--here", is_flag=True, help="Do it on this host: what controllers ask for.")
# Absolute, because restic runs elsewhere.
FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def escrow() -> None:
    """Split the backups' keys among people; seal, check and recover them."""


@escrow.command()
@click.option("--shares", "count", type=int, default=5, show_default=True, help="How many people keep one.")
@click.option("--threshold", type=int, default=3, show_default=True, help="How many of them are needed.")
@click.option("--into", type=FOLDER, required=True, help="A folder for the shares, best in memory.")
@json_option
@click.pass_obj
def split(context: Context, count: int, threshold: int, into: Path, as_json: bool) -> None:
    """Make a new escrow: one file per share, to be printed, handed out and removed."""
    made = keep.split(into, threshold, count, datetime.now(UTC))
    Keeper.controller(context.state).write(made)
    if as_json:
        print_json({"set": made.shares.number, "threshold": threshold, "shares": count, "into": str(into)})
        return
    en = f"{count} shares in {into}, any {threshold} open the escrow. Print each, hand it out, remove its file; seal."
    zh = f"{into} 中有 {count} 份密钥，任意 {threshold} 份可开启。请逐份打印、分发并删除文件，然后执行 seal。"
    click.echo(context.text(en, zh))


@escrow.command()
@HERE
@json_option
@click.pass_obj
def seal(context: Context, here: bool, as_json: bool) -> int:
    """Seal every password, as it is now, and keep the bundle on both sites. Needs no share: run it after a rotation."""
    machine = _local(here=here)
    if machine:
        return _show(context, [_report("seal", machine.book.host, lambda: _sealed(machine))], as_json)
    keeper = Keeper.controller(context.state)
    made = keep.close(keeper, keeper.read(), _own(context), datetime.now(UTC))
    made, reports = spread.seal(_hosts(context), _ids(context), made)
    keeper.write(made)
    return _show(context, reports, as_json)


@escrow.command()
@HERE
@json_option
@click.pass_obj
def check(context: Context, here: bool, as_json: bool) -> int:
    """Say whether every password could be recovered from the bundle, wherever it is kept. Exit code 9 if not."""
    machine = _local(here=here)
    if machine:
        keeper = Keeper.host(machine.layout)
        wanted = keep.of_host(machine.book, machine.layout)
        return _show(context, [_report("check", machine.book.host, lambda: keep.check(keeper, wanted))], as_json)
    keeper = Keeper.controller(context.state)
    mine = _report("check", socket.gethostname(), lambda: keep.check(keeper, _own(context)))
    return _show(context, [mine, *spread.check(_hosts(context), _ids(context), keeper.read())], as_json)


@escrow.command("recover")
@click.option("--share", "paths", type=FILE, multiple=True, required=True, help="A share's file; once for each.")
@click.option("--bundle", type=FILE, required=True, help="escrow.json of either site.")
@click.option(
    "--repository", type=click.Path(path_type=Path, file_okay=False, exists=True, resolve_path=True), required=True
)
@click.option("--into", type=FOLDER, required=True, help="A new folder.")
@click.option("--asset", default="", help="Whose repository it is, if its folder has another name.")
@click.option("--snapshot", default=LATEST, show_default=True, help="The beginning of an id.")
@json_option
@click.pass_obj
def recover_(context: Context, /, paths: Sequence[Path], bundle: Path, as_json: bool, **wanted: Any) -> int:  # noqa: ANN401 - click's
    """Open the bundle with shares and restore from a repository's folder, on any machine that has restic."""
    host, wish = socket.gethostname(), recover.Wish(**wanted)
    given = Bundle.load(bundle.read_text(encoding="utf-8"), str(bundle))
    texts = {str(path): path.read_text(encoding="utf-8") for path in paths}
    restic = Restic(LocalShell(host), None)
    asset = wish.asset or wish.repository.name

    def act(steps: Steps) -> Facts:
        return recover.run(given, texts, wish, restic, steps)

    try:
        done = perform("recover", asset, host, _progress, act)
    except KeyboardInterrupt:
        why = f"what was opened and restored so far is in {wish.into}, the repository is as it was"
        raise StoppedError("recover was stopped", why=why, hint="remove that folder, then run it again") from None
    code = _show(context, [done], as_json)
    if done.ok and not as_json:
        click.echo(_next(context, done.facts))
    return code


def _next(context: Context, facts: Facts) -> str:
    if "state" not in facts:
        return context.text(f"restored to {facts['restored']}", f"已恢复到 {facts['restored']}")
    words = f"netdr -i {facts['inventory']} --state {facts['state']} secrets check"
    return context.text(f"netdr is back; try: {words}", f"netdr 已恢复，可执行：{words}")


def _local(*, here: bool) -> Machine | None:
    machine = this_machine()
    return machine if machine and (here or machine.book.role == "services") else None


def _own(context: Context) -> Mapping[str, Secret]:
    return keep.of_controller(context.state / vault.PASSWORD)


def _hosts(context: Context) -> remote.Hosts:
    return remote.over_ssh(context.network, context.inventory, context.state, _progress)


def _ids(context: Context) -> list[str]:
    return [host.id for host in context.network.district.hosts if host.role == "services"]


def _sealed(machine: Machine) -> Facts:
    keeper = Keeper.host(machine.layout)
    handed = "" if sys.stdin.isatty() else sys.stdin.read()
    given = Bundle.load(handed, "stdin") if handed.strip() else keeper.read()
    made = keep.close(keeper, given, keep.of_host(machine.book, machine.layout), machine.clock())
    return {"sealed": sorted(made.boxes), "digest": made.digest, "bundle": made.dump()}


def _report(verb: str, host: str, act: Callable[[], Facts]) -> JobReport:
    return perform(verb, spread.VERB, host, _progress, lambda _: act())


def _progress(words: str) -> None:
    click.echo(words, err=True)


def _show(context: Context, reports: Sequence[JobReport], as_json: bool) -> int:
    if as_json:
        click.echo(report.dump(tuple(reports)))
    else:
        for one in reports:
            done = context.text("done", "完成") if one.ok else context.text("FAILED", "失败")
            names = ", ".join(map(str, one.facts.get("sealed", ())))  # type: ignore[call-overload]  # JSON's
            click.echo(f"{one.service} @ {one.host}: {one.verb} {done}" + (f": {names}" if names else ""))
    problems = [problem for one in reports for problem in one.problems]
    for problem in problems:
        click.echo(f"netdr: {problem.report()}", err=True)
    return problems[0].exit_code if problems else 0
