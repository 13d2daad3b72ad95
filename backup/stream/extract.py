"""Databases as they were at a moment, as dumps: what ``place`` puts into service."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from backup import postgres, source, tree
from backup.bubble import blow
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.stream import link, recover
from backup.stream.archive import Archive
from inventory.asset import Postgres


def run(machine: Machine, duty: Duty, at: datetime, into: Path, steps: Steps) -> Mapping[str, object]:
    """Write dumps of an asset's databases as they were at ``at`` into the new folder ``into``, as in a staged tree.

    Return the facts ``base``, ``position``, ``committed`` (time of the last transaction that is in it). Raise
    BackupError if that moment cannot be had, ProofError if the cluster does not start from it.
    """
    databases = [one for one in duty.asset.data if isinstance(one, Postgres)]
    archive = Archive(link.of_duty(machine.layout, duty).top)
    work = Path(tempfile.mkdtemp(prefix="netdr-moment-", dir=machine.layout.bubbles))
    work.chmod(0o711)
    tree.clear(into, mode=0o711)
    try:
        with blow(f"the bubble of {duty.asset.id}", work, into) as bubble, ExitStack() as open_:
            with steps.step(f"recover to {at:%F %T%z}"):
                back = open_.enter_context(recover.recovered(machine, archive, bubble, work / "pg", at))
            for one in databases:
                with steps.step(f"dump {one.database}"):
                    folder = source.database_folder(into, one)
                    tree.passable(folder)
                    back.cluster.dump(one.database, folder / postgres.DUMP, recover.LIMIT)
                    (folder / postgres.ROLES).write_text(back.cluster.roles(one.database), encoding="utf-8")
            committed = back.committed.isoformat() if back.committed else None
            return {"base": back.point.base.id, "position": back.position, "committed": committed}
    finally:
        shutil.rmtree(work, ignore_errors=True)
