"""Put right what a killed job left in a repository: locks that are provably nobody's, packs that no index knows.

A lock is removed only if the journal of jobs proves that its process was ours and is dead. Anybody else's is named to
the operator: whether that process still lives cannot be seen from here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import server, setup, snapshots, tree
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.restic import Lock, Reason, Repository, Restic, ResticError, objects
from backup.restic.jobs import Entry, started
from backup.restic.objects import names
from netdr.kernel.errors import BackupError

# Seconds: an index of a million blobs is read and written in less.
LIMIT = 3600.0
# What adds packs before the index knows them.
_ADDING = frozenset({"backup", "copy", "forget", "prune", "repair"})


def proven(locks: Sequence[Lock], dead: Sequence[Entry], here: str) -> tuple[Lock, ...]:
    """Return the locks that were taken by dead jobs of this host: same host name, same process, not before it began.

    A number that some process has now proves nothing: it may be that process's lock.
    """
    ours = {entry.process.pid: entry for entry in dead if entry.process.host == here}
    return tuple(
        lock
        for lock in locks
        if lock.host == here and lock.pid in ours and lock.time >= ours[lock.pid].at and started(lock.pid) is None
    )


def mend(machine: Machine, repository: Repository, asset: str, *, writable: bool = True) -> Mapping[str, object]:
    """After a job on ``repository`` was killed: unlock it, index its packs, take out its unfinished snapshots.

    Return what was done, nothing if no job was killed. ``writable`` False: the repository is behind the append-only
    server, where nothing but the lock can be put right from here (``tend`` does the rest). While somebody else works
    there, what needs the repository alone is left for the next time.
    """
    dead = machine.jobs.dead(repository.label)
    if not dead:
        return {}
    restic = machine.restic
    done: dict[str, object] = {"unlocked": [str(lock) for lock in unlock(restic, repository, dead)]}
    if writable and any(entry.command in _ADDING for entry in dead):
        try:
            # What somebody is writing now is not touched: then the index cannot be locked.
            torn = objects.unfinished(repository)
            restic.repair_index(repository, limit=LIMIT)
            for path in torn:
                path.unlink(missing_ok=True)
            done |= {"indexed": True, "unfinished": _unfinished(machine, restic, repository, asset, dead)}
        except ResticError as error:
            if error.reason is not Reason.LOCKED:
                raise
            return {**done, "waits": error.why}
    for entry in dead:
        entry.file.unlink(missing_ok=True)
    return done


def unlock(restic: Restic, repository: Repository, dead: Sequence[Entry]) -> tuple[Lock, ...]:
    """Remove the locks that are proven to be those of dead jobs; return them."""
    if not names(repository, "locks"):
        return ()
    released = proven(restic.locks(repository), dead, socket.gethostname())
    for lock in released:
        objects.unlock(repository, lock.id)
    return released


def tend(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """At the DR site: put a copy right after cut copies, so that the next one need not send again what has arrived.

    Empty files that a full disk left go, packs that no index knows are indexed. Return the facts ``swept``, ``indexed``
    and ``locks`` (whose they are; while there are any, nothing is indexed: a copy may be under way).
    """
    name = duty.asset.id
    if duty.role != "standby":
        raise BackupError(
            f"the copy of {name} is not on this host", where=machine.book.host, hint="run it at its DR site"
        )
    repository = machine.layout.disk(name)
    folder = machine.layout.repositories / name
    with machine.alone(name, "tend"), steps.step("tend"):
        mended = mend(machine, repository, name)
        swept = server.sweep(setup.listener(machine.layout, machine.book.server))
        locks = machine.restic.locks(repository) if names(repository, "locks") else ()
        indexed = bool(mended.get("indexed"))
        if not locks and not indexed and unindexed(folder):
            machine.restic.repair_index(repository, limit=LIMIT)
            indexed = True
        if indexed:
            # The server must be able to read what root has written.
            tree.give(folder, server.ACCOUNT)
    return {**mended, "swept": len(swept), "indexed": indexed, "locks": [str(lock) for lock in locks]}


def unindexed(folder: Path) -> bool:
    """Return whether packs may have come to a repository after its newest index: what a copy that was cut leaves.

    An index is written after its packs, so a pack that is newer than every index belongs to none.
    """
    packs, indexes = _newest(folder / "data"), _newest(folder / "index")
    return packs > indexes


def _newest(folder: Path) -> int:
    # Folders change when a file comes to them: 256 of them are looked at, not each of their packs.
    places = [folder, *(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir())]
    stamps = [entry.stat().st_mtime_ns for place in places for entry in os.scandir(place) if entry.is_file()]
    return max(stamps, default=0)


def _unfinished(
    machine: Machine, restic: Restic, repository: Repository, asset: str, dead: Sequence[Entry]
) -> list[str]:
    """Take out the snapshots that a killed run has made and that the ledger does not know; return their ids.

    Whether what they hold is what was hashed nobody has seen; their data stays for the next run to find.
    """
    begun = min((entry.at for entry in dead if entry.command == "backup"), default=None)
    known = {line.facts["id"] for line in machine.ledger(asset).lines() if line.kind == "snapshot"}
    found = snapshots.of_service(restic.snapshots(repository), asset) if begun else ()
    unknown = [one.id for one in found if begun and one.time >= begun and one.source not in known and not one.original]
    if unknown:
        restic.forget(repository, unknown, limit=LIMIT)
    return unknown
