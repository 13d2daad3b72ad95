"""Save an asset: stage its data, hash it, back it up, make sure that it is there, copy it to the DR site."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup import copy, heal, source, sources, tree
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.repository import target
from backup.restic import Repository
from backup.restic.objects import names
from backup.take import Order, Taken, take
from backup.view import View
from inventory.asset import DataSource
from netdr.kernel.errors import BackupError

# Seconds that a dump, a backup or a copy may take at least, however short the asset's interval is.
LEAST = 600.0


@dataclass(frozen=True)
class Plan:
    """All that is decided before a run touches anything. ``limit``: a run ends before the next one is due."""

    asset: str
    data: tuple[DataSource, ...]
    repository: Repository
    folder: Path
    copies: bool
    limit: float


def plan(machine: Machine, duty: Duty) -> Plan:
    """Return what a run of ``duty`` on this machine will do. At the DR site there is nothing to copy: it is there."""
    return Plan(
        asset=duty.asset.id,
        data=duty.asset.data,
        repository=target(machine.layout, machine.book, duty),
        folder=machine.layout.stage(duty.asset.id),
        copies=duty.role == "home",
        limit=max(LEAST, float(duty.protection.every)),
    )


def run(machine: Machine, duty: Duty, steps: Steps, *, as_of: datetime | None = None) -> Mapping[str, object]:
    """Save an asset and return the facts: snapshot, manifest, as_of, files, bytes, and those of the copy.

    ``as_of``: which moment ``machine`` shows, if it is not the present.
    ``changed`` and ``added`` are restic's own count of files and bytes that are new; ``packed`` of what they take, if
    it says. Raise BackupError or Problems. A run that fails leaves no snapshot in the ledger; one whose copy fails has
    saved, says so, and is made good by ``copy``.
    """
    what = plan(machine, duty)
    with machine.alone(what.asset, "run"), ThreadPoolExecutor(1) as pool:
        with steps.step("sources"):
            mended = heal.mend(machine, what.repository, what.asset, writable=what.copies)
            sources.require(what.data, machine)
        with _folders(what.folder) as folders:
            order, view = _stage(machine, what, steps, folders, as_of or machine.clock())
            # restic begins with half a second of key derivation on one core; the DR site is listed on the other.
            there = copy.listing(machine, duty, pool) if what.copies else None
            with steps.step("backup"):
                taken = take(machine.restic, order, view, lambda words: steps.progress(f"{what.asset}: backup {words}"))
                snapshot = _enter(machine, what, taken)
        facts = {**_facts(taken, snapshot), **({"mended": dict(mended)} if mended else {})}
        return {**facts, **(_copy(machine, duty, steps, there) if there else {})}


@contextmanager
def _folders(top: Path) -> Iterator[tuple[Path, Path]]:
    """Give two new folders, one to stage in and one for copies, and remove them afterwards."""
    spare = top.with_name(f"{top.name}.calm")
    try:
        yield tree.clear(top, mode=0o711), tree.clear(spare)
    finally:
        for folder in (top, spare):
            shutil.rmtree(folder, ignore_errors=True)


def _stage(
    machine: Machine, what: Plan, steps: Steps, folders: tuple[Path, Path], as_of: datetime
) -> tuple[Order, View]:
    """Stage the data. ``as_of`` is from before its first byte is read: an RPO computed from it is never too good."""
    top, spare = folders
    with steps.step("stage"):
        shown = sources.stage(what.data, top, machine, limit=what.limit)
        (top / source.LEDGER).write_text(machine.ledger(what.asset).text(), encoding="utf-8")
    memory = machine.layout.cache / "digests" / f"{what.asset}.json"
    mounts = top.with_name(f"{top.name}.mounts")
    final = not what.copies
    order = Order(what.asset, machine.book.host, as_of, what.repository, what.limit, final, memory, mounts)
    return order, View(top, shown, spare)


def _enter(machine: Machine, what: Plan, taken: Taken) -> str:
    """Enter the snapshot in the ledger and return its whole id, which 0.14 does not say."""
    found = [name for name in names(what.repository, "snapshots") if name.startswith(taken.saved.id)]
    if len(found) != 1:
        what_is = f"snapshot {taken.saved.id} was saved but the repository does not list it"
        raise BackupError(what_is, where=what.repository.label)
    made = taken.manifest
    facts = {"id": found[0], "manifest": made.root, "as_of": made.as_of.isoformat(), "host": made.host}
    machine.ledger(what.asset).add("snapshot", machine.clock(), facts)
    return found[0]


def _copy(machine: Machine, duty: Duty, steps: Steps, there: Future[copy.Listing]) -> Mapping[str, object]:
    here = names(machine.layout.home(duty.asset.id), "snapshots")
    return copy.send(machine, duty, steps, copy.Sides(here, there))


def _facts(taken: Taken, snapshot: str) -> dict[str, object]:
    made, saved = taken.manifest, taken.saved
    packed = {} if saved.packed is None else {"packed": saved.packed}
    return {
        "snapshot": snapshot,
        "manifest": made.root,
        "as_of": made.as_of.isoformat(),
        "files": made.files,
        "bytes": made.size,
        "left_out": list(taken.left_out),
        "changed": saved.changed,
        "added": saved.added,
        "moved": taken.moved,
        **packed,
    }
