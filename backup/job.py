"""Save a service: stage its data, hash it, back it up, make sure that it is there, copy it to the DR site."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backup import copy, manifest, snapshots, source, tree
from backup.duty import Duty
from backup.machine import Machine
from backup.manifest import Manifest
from backup.report import Steps
from backup.repository import target
from backup.restic import Repository, Snapshot
from inventory.asset import DataSource
from netdr.kernel.errors import BackupError

# Seconds that a dump, a backup or a copy may take at least, however short the service's interval is.
LEAST = 600.0


@dataclass(frozen=True)
class Plan:
    """All that is decided before a run touches anything. ``limit``: a run ends before the next one is due."""

    service: str
    data: tuple[DataSource, ...]
    repository: Repository
    folder: Path
    copies: bool
    limit: float


def plan(machine: Machine, duty: Duty) -> Plan:
    """Return what a run of ``duty`` on this machine will do. At the DR site there is nothing to copy: it is there."""
    return Plan(
        service=duty.asset.id,
        data=duty.asset.data,
        repository=target(machine.layout, machine.book, duty),
        folder=machine.layout.stage(duty.asset.id),
        copies=duty.role == "home",
        limit=max(LEAST, float(duty.protection.every)),
    )


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Save a service and return the facts: snapshot, manifest, as_of, files, bytes, and those of the copy.

    Raise BackupError or Problems. A run that fails leaves no snapshot in the ledger; one whose copy fails has saved,
    says so, and is made good by ``copy``.
    """
    what = plan(machine, duty)
    with machine.alone(what.service, "run"):
        with steps.step("sources"):
            source.require(what.data, machine.cluster)
        try:
            made, left_out, snapshot = _save(machine, what, steps)
        finally:
            shutil.rmtree(what.folder, ignore_errors=True)
        facts: dict[str, object] = {
            "snapshot": snapshot,
            "manifest": made.root,
            "as_of": made.as_of.isoformat(),
            "files": made.files,
            "bytes": made.size,
            "left_out": list(left_out),
        }
        return {**facts, **(copy.run(machine, duty, steps) if what.copies else {})}


def _save(machine: Machine, what: Plan, steps: Steps) -> tuple[Manifest, tuple[str, ...], str]:
    # Taken before the first byte is read: what was acknowledged earlier is in the copy, so an RPO computed from it is
    # never too good.
    as_of = machine.clock()
    ledger = machine.ledger(what.service)
    with steps.step("stage"):
        folder = tree.clear(what.folder, mode=0o711)
        left_out = source.stage(what.data, folder, machine.cluster, limit=what.limit)
        (folder / source.LEDGER).write_text(ledger.text(), encoding="utf-8")
        made = source.seal(what.service, machine.book.host, folder, as_of)
    with steps.step("backup"):
        snapshot = _back_up(machine, what, made)
    ledger.add("snapshot", machine.clock(), snapshots.facts(snapshot))
    return made, left_out, snapshot.id


def _back_up(machine: Machine, what: Plan, made: Manifest) -> Snapshot:
    before = manifest.stamp(what.folder)
    tags = snapshots.tags(what.service, made)
    found = machine.restic.backup(what.repository, what.folder, host=machine.book.host, tags=tags, limit=what.limit)
    if manifest.stamp(what.folder) != before:
        hint = "find out which program changes files there, then run it again"
        raise BackupError("the staged files changed while they were saved", where=str(what.folder), hint=hint)
    return snapshots.confirm(machine.restic.snapshots(what.repository), found, made, what.repository.label)
