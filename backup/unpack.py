"""Bring a snapshot back into a folder of its own, compared with its manifest: for what is not a service's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backup import restored, snapshots
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.repository import Site, origin_of
from netdr.kernel.errors import BackupError


def run(  # noqa: PLR0913 - what the operator may choose
    machine: Machine,
    duty: Duty,
    steps: Steps,
    *,
    into: str,
    wanted: str = snapshots.LATEST,
    origin: Site = "standby",
) -> Mapping[str, object]:
    """Restore a snapshot below ``into``/<asset>, which must not exist yet, and return the facts as ``place.run`` does.

    Raise BackupError if the folder exists, DifferentError if what came back is not what was saved.
    """
    folder = Path(into) / duty.asset.id
    if folder.exists():
        raise BackupError("the folder exists", where=str(folder), hint="name a new one: nothing is written over")
    repository = origin_of(machine.layout, machine.book, duty, origin)
    with steps.step("list"):
        found = snapshots.of_service(machine.plain_restic.snapshots(repository), duty.asset.id)
        snapshot = snapshots.choose(found, wanted, repository.label)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with steps.step("restore and hash"):
        back = restored.restore(machine.plain_restic, repository, snapshot, folder)
    return {
        "snapshot": snapshot.id,
        "source": snapshot.source,
        "as_of": snapshots.as_of(snapshot).isoformat(),
        "manifest": back.manifest.root,
        "files": back.manifest.files,
        "bytes": back.manifest.size,
        "folder": str(folder),
    }
