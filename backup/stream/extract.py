"""Databases as they were at a moment, as dumps: what ``place`` puts into service."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from backup import job, postgres, source, tree
from backup.bubble import blow
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.stream import link, recover
from backup.stream.archive import Archive
from backup.stream.recover import Recovered
from inventory.asset import Postgres
from netdr.kernel.errors import BackupError, UsageError

# As new as can be had from what is on the DR host.
NEWEST: Literal["newest"] = "newest"
Moment = datetime | Literal["newest"]


def run(machine: Machine, duty: Duty, at: Moment, into: Path, steps: Steps) -> Mapping[str, object]:
    """Write dumps of an asset's databases as they were at ``at`` into the new folder ``into``, as in a staged tree.

    Return the facts ``base``, ``position``, ``committed`` (time of the last transaction that is in it), ``as_of`` (all
    acknowledged before it is in it). Raise BackupError if that moment cannot be had, ProofError if the cluster does not
    start from it.
    """
    tree.clear(into, mode=0o711)
    with _past(machine, duty, at, into, steps) as back:
        for one in (one for one in duty.asset.data if isinstance(one, Postgres)):
            with steps.step(f"dump {one.database}"):
                folder = source.database_folder(into, one)
                tree.passable(folder)
                back.cluster.dump(one.database, folder / postgres.DUMP, recover.LIMIT)
                (folder / postgres.ROLES).write_text(back.cluster.roles(one.database), encoding="utf-8")
        return _facts(back, at)


def save(machine: Machine, duty: Duty, steps: Steps, at: Moment | None) -> Mapping[str, object]:
    """Make a snapshot, in the DR repository, of an asset as it was at ``at``: how a moment travels to the home site.

    Return the facts of ``job.run`` and of ``run``. It is as of ``at``, so it is never the latest. Raise UsageError
    without ``at``; BackupError for an asset that is not all databases: its files are not streamed.
    """
    if at is None:
        raise UsageError("which moment?", hint="--at 2026-11-23T10:05:30")
    others = [one.kind for one in duty.asset.data if not isinstance(one, Postgres)]
    if others:
        hint = "restore a snapshot, or fail over and restore it --at the DR site"
        what = f"not everything of {duty.asset.id} is streamed, so no moment of it can travel to its home"
        raise BackupError(what, where=machine.book.host, why=", ".join(others), hint=hint)
    stage = machine.layout.stage(duty.asset.id).parent
    tree.passable(stage)
    with _past(machine, duty, at, stage, steps) as back:
        then = replace(machine, cluster=lambda: back.cluster)
        facts = _facts(back, at)
        return {**facts, **job.run(then, duty, steps, as_of=datetime.fromisoformat(str(facts["as_of"])))}


@contextmanager
def _past(machine: Machine, duty: Duty, at: Moment, writable: Path, steps: Steps) -> Iterator[Recovered]:
    """Run the past while the block runs; its clients can write below ``writable``."""
    archive = Archive(link.of_duty(machine.layout, duty).top)
    work = Path(tempfile.mkdtemp(prefix="netdr-moment-", dir=machine.layout.bubbles))
    work.chmod(0o711)
    try:
        with blow(f"the bubble of {duty.asset.id}", work, writable) as bubble, ExitStack() as open_:
            moment = None if at == NEWEST else at
            with steps.step(f"recover to {moment:%F %T%z}" if moment else "recover the newest"):
                back = open_.enter_context(recover.recovered(machine, archive, bubble, work / "pg", moment))
            yield back
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _facts(back: Recovered, at: Moment) -> dict[str, object]:
    committed = back.committed.isoformat() if back.committed else None
    # The log is in the order of commits: what was acknowledged before the last one in it is in it too.
    as_of = (back.committed or back.point.base.begun) if at == NEWEST else at
    facts = {"base": back.point.base.id, "position": back.position, "committed": committed}
    return {**facts, "as_of": as_of.astimezone(UTC).isoformat()}
