"""``netdr backup schedule``: what each host does by the clock, as a table, as systemd units, or done here."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from backup import schedule as schedules
from backup import timers
from backup.duty import book_of
from backup.host import LocalShell
from backup.machine import Machine, this_machine
from backup.schedule import Job, Past
from backup.scheduler import Scheduler, remembered
from inventory.entry import span
from inventory.holding import holder
from inventory.network import Network
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import MissingError, UsageError


@click.command()
@click.option("--here", is_flag=True, help="Only this host, with what ran when.")
@click.option("--run", "running", is_flag=True, help="On a host without systemd: do the jobs until Ctrl-C.")
@click.option("--units", type=click.Path(path_type=Path, file_okay=False), help="Write systemd units to FOLDER/<host>.")
@click.option("--json", "as_json", is_flag=True, help="Print the schedule for programs.")
@click.pass_obj
def schedule(context: Context, *, here: bool, running: bool, units: Path | None, as_json: bool) -> None:
    """Show what each host does by the clock. playbooks/site.yml installs the units."""
    machine = this_machine()
    if running:
        _run(machine)
        return
    found: Mapping[str, Sequence[Job]]
    past: Mapping[str, Past]
    if machine and (here or machine.book.role == "services"):
        found, past = {machine.book.host: schedules.jobs(machine.book)}, remembered(machine)
    elif here:
        raise UsageError("this host has no duties", hint="run netdr backup init on a controller")
    else:
        found, past = _all(context.network), {}
    if units:
        _write(units, found)
    if as_json:
        print_json({"hosts": {host: [_row(job, past, machine) for job in jobs] for host, jobs in found.items()}})
        return
    for host, jobs in found.items():
        click.echo(host)
        for job in jobs:
            click.echo(
                f"  {job.name:32} {context.text('every', '每')} {span(job.every):>4}  {_last(context, job, past)}"
            )


def _run(machine: Machine | None) -> None:
    if machine is None:
        raise UsageError("this host has no duties", hint="run netdr backup init on a controller")
    scheduler = Scheduler(machine, LocalShell(machine.book.host), lambda words: click.echo(words, err=True))
    click.echo(f"netdr: the scheduler of {machine.book.host} runs; Ctrl-C ends it and the jobs it runs", err=True)
    count = scheduler.run()
    click.echo(f"netdr: stopped after {count} jobs; what was due is done when it is started again", err=True)


def _all(network: Network) -> Mapping[str, Sequence[Job]]:
    assets = network.district.protected
    hosts = {holder(network, asset, site) for asset in assets for site in (asset.home, asset.standby)}
    return {host: schedules.jobs(book_of(network, host)) for host in sorted(hosts)}


def _row(job: Job, past: Mapping[str, Past], machine: Machine | None) -> dict[str, object]:
    known = past.get(job.name)
    row: dict[str, object] = {"name": job.name, **asdict(job)}
    if known and machine:
        row |= {"last": known.began.isoformat(), "ok": known.ok}
        row |= {"next": schedules.next_start(job, known, machine.clock()).isoformat()}
    return row


def _last(context: Context, job: Job, past: Mapping[str, Past]) -> str:
    known = past.get(job.name)
    if known is None:
        return ""
    result = context.text("done", "完成") if known.ok else context.text("FAILED", "失败")
    return f"{known.began:%F %T}Z {result}"


def _write(folder: Path, found: Mapping[str, Sequence[Job]]) -> None:
    program = str(Path(sys.executable).with_name("netdr"))
    try:
        for host, jobs in found.items():
            (folder / host).mkdir(parents=True, exist_ok=True)
            for name, text in timers.units(program, jobs).items():
                (folder / host / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise MissingError("cannot be written", where=str(folder), why=str(error)) from error
