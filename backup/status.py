"""Find out how an asset's backups stand on this host, from its ledger and the names of files: nothing is opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from backup import arrivals, watch
from backup.duty import Duty
from backup.machine import Machine
from backup.proof import stored
from backup.report import Steps
from backup.restic.objects import names
from backup.standing import Found, Standing, judge, stand
from backup.stream import link
from backup.stream import standing as arriving
from backup.stream.archive import Archive
from netdr.kernel.errors import Problems


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Return the standing of an asset on this host. Raise Problems if the promise is not kept."""
    with steps.step("look"):
        standing = of(machine, duty)
    now = machine.clock()
    streaming = arriving.of(machine, duty)
    problems = judge(duty, standing, now, machine.book.host)
    if streaming:
        problems += arriving.judge(duty, streaming, machine.book.host)
    if problems:
        raise Problems(problems)
    return {**standing.as_dict(now), **({"streaming": streaming.as_dict()} if streaming else {})}


def of(machine: Machine, duty: Duty) -> Standing:
    """Return the standing of an asset on this host, judged by nobody yet.

    At the DR site what has come since the last look is noted first. Raise BackupError if the ledger does not hold.
    """
    name = duty.asset.id
    if duty.role == "home":
        return stand(duty.role, machine.ledger(name).lines())
    present = names(machine.layout.disk(name), "snapshots")
    lines = machine.ledger(name).lines()
    if {*present} - {one.id for one in arrivals.read(lines)}:
        lines = watch.look(machine, duty, Steps(name, lambda _: None)).lines
    unread = machine.clock() - timedelta(seconds=stored.oldest_unread(machine, duty))
    return stand(duty.role, lines, Found(present, unread if present else None, _reach(machine, duty)))


def _reach(machine: Machine, duty: Duty) -> datetime | None:
    if not link.streamed(duty):
        return None
    newest = Archive(machine.layout.archives / duty.asset.home).newest()
    return newest.reach if newest else None
