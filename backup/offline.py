"""Bring the DR site's copies onto a disk that people carry away: the copy that no network reaches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backup import snapshots
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.repository import write_private
from backup.restic import Repository, Way
from netdr.kernel.errors import BackupError

# Seconds: a removable disk may take 30 MB/s.
LIMIT = 24 * 3600.0


def run(machine: Machine, duty: Duty, steps: Steps, to: str) -> Mapping[str, object]:
    """Copy what ``to``/<asset> lacks of the DR repository's snapshots; return ``copied``, ``present`` and ``folder``.

    The disk's repository has the DR repository's password, so its keys are in the same escrow. Raise BackupError if
    this is not the asset's DR site, if no other disk is mounted at ``to``, or if a snapshot is not there afterwards.
    """
    name, folder = duty.asset.id, Path(to)
    _demand_a_disk(machine, duty, folder)
    source = machine.layout.disk(name)
    location = machine.layout.credentials / name / "offline.repository"
    write_private(location, f"{folder / name}\n")
    target = Repository(str(folder / name), location, source.password)
    with machine.alone(name, "offline"):
        if not (folder / name / "config").exists():
            with steps.step("make the repository"):
                machine.plain_restic.init(target, like=source)
        with steps.step("list"):
            ours = snapshots.of_service(machine.plain_restic.snapshots(source), name)
            known = {one.source for one in machine.plain_restic.snapshots(target)}
        wanted = [one.id for one in ours if one.source not in known]
        if wanted:
            with steps.step("copy"):
                machine.plain_restic.copy(source, target, wanted, Way(LIMIT))
        with steps.step("compare"):
            there = {one.source for one in machine.plain_restic.snapshots(target)}
        skipped = [one.source[:8] for one in ours if one.source not in there]
        if skipped:
            raise BackupError(
                "restic skipped snapshots", where=target.label, why=", ".join(skipped), hint="run it again"
            )
        newest = ours[-1]
        facts = {"id": newest.source, "as_of": snapshots.as_of(newest).isoformat(), "folder": str(folder)}
        machine.ledger(name).add("offline", machine.clock(), facts)
    return {"copied": len(wanted), "present": len(there), "folder": str(folder / name)}


def _demand_a_disk(machine: Machine, duty: Duty, folder: Path) -> None:
    if duty.role != "standby":
        hint = "on the DR host: netdr backup copy ASSET --to FOLDER"
        raise BackupError(f"the copy of {duty.asset.id} is not on this host", where=machine.book.host, hint=hint)
    if not folder.is_dir():
        raise BackupError("there is no such directory", where=str(folder), hint="mount the disk first")
    if folder.stat().st_dev == machine.layout.repositories.stat().st_dev:
        why = "it is on the same file system as the copies themselves"
        raise BackupError("no other disk is mounted there", where=str(folder), why=why, hint="mount the disk first")
