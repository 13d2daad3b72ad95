"""Put a snapshot, or a moment of the stream, into service, on the host that will serve it.

The database is made anew and the files take the place of the old ones.

What was there before is kept beside it (database ``<name>_before_restore``, folder ``<path>.before-restore``), once.
The service must be stopped: whoever is connected to the database is disconnected.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup import arrivals, postgres, restored, snapshots, source, tree
from backup.duty import Duty
from backup.guard import fence
from backup.machine import Machine
from backup.postgres import Cluster, identifier, literal
from backup.report import Steps
from backup.repository import Site, origin_of
from backup.restored import Restored
from backup.stream import extract
from backup.stream.extract import NEWEST, Moment
from inventory.asset import Files, Postgres
from netdr.kernel.errors import BackupError

_DISCONNECT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"


@dataclass(frozen=True)
class Fetched:
    """What is to be put in place: the trees of databases and of files, and what is known of them.

    ``back``: the snapshot that the files are of, None if everything came from the stream.
    """

    databases: Path
    files: Path
    facts: Mapping[str, object]
    back: Restored | None = None


def run(  # noqa: PLR0913 - what the operator may choose
    machine: Machine,
    duty: Duty,
    steps: Steps,
    *,
    wanted: str = snapshots.LATEST,
    origin: Site = "standby",
    at: Moment | None = None,
) -> Mapping[str, object]:
    """Restore a snapshot from the repository of ``origin`` into the asset's own places and return the facts.

    With ``at``: databases as they were at that moment, or as new as can be had, from the stream that arrives on this
    host (facts ``base``, ``position``, ``committed``); files from the newest snapshot up to it. Facts: ``snapshot``,
    ``source``, ``as_of`` (everything acknowledged before it is back), ``manifest``, ``files``, ``bytes``. Nothing is
    touched before the restored tree has been compared with its manifest, or the past cluster runs. Raise DifferentError
    if it differs, BackupError if a database or folder cannot be put in place; the old one is then where it was.
    """
    name = duty.asset.id
    work = machine.layout.cache / "restore" / name
    with machine.alone(name, "restore"):
        try:
            tree.clear(work, mode=0o711)
            fetch = Fetch(machine, duty, steps, origin, work)
            back = fetch.moment(at) if at else fetch.snapshot(wanted)
            for one in duty.asset.data:
                if isinstance(one, Postgres):
                    with steps.step(f"database {one.database}"):
                        _database(machine.cluster(), one, back.databases)
                elif isinstance(one, Files):
                    with steps.step(f"files {one.path}"):
                        _files(one, back.files)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return back.facts


@dataclass(frozen=True)
class Fetch:
    """Brings an asset's data from the repository of ``origin``, or the stream, to the existing folder ``work``."""

    machine: Machine
    duty: Duty
    steps: Steps
    origin: Site
    work: Path

    def snapshot(self, wanted: str, until: datetime | None = None) -> Fetched:
        """Return a snapshot that is what its manifest says, of those as of ``until`` or before."""
        restic, repository = (
            self.machine.plain_restic,
            origin_of(self.machine.layout, self.machine.book, self.duty, self.origin),
        )
        with self.steps.step("list"):
            found = snapshots.of_service(restic.snapshots(repository), self.duty.asset.id)
            if self.duty.role == "standby" and wanted == snapshots.LATEST:
                found = arrivals.counted(found, self.machine.ledger(self.duty.asset.id).lines())
            fitting = [one for one in found if until is None or snapshots.as_of(one) <= until]
            snapshot = snapshots.choose(fitting, wanted, repository.label)
        with self.steps.step("restore and hash"):
            back = restored.restore(restic, repository, snapshot, self.work / "tree")
        facts = {
            "snapshot": snapshot.id,
            "source": snapshot.source,
            "as_of": snapshots.as_of(snapshot).isoformat(),
            "manifest": back.manifest.root,
            "files": back.manifest.files,
            "bytes": back.manifest.size,
        }
        return Fetched(back.folder, back.folder, facts, back)

    def moment(self, at: Moment) -> Fetched:
        """Return databases as they were at a moment, files from the newest snapshot up to it."""
        if not any(isinstance(one, Postgres) for one in self.duty.asset.data):
            hint = "restore a snapshot: netdr backup list"
            raise BackupError(f"{self.duty.asset.id} has no database, so not every moment of it is kept", hint=hint)
        folder = self.work / "moment"
        facts = extract.run(self.machine, self.duty, at, folder, self.steps)
        if all(isinstance(one, Postgres) for one in self.duty.asset.data):
            return Fetched(folder, folder, {"snapshot": "", "source": "", **facts})
        files = self.snapshot(snapshots.LATEST, until=None if at == NEWEST else at)
        # The files' moment is the earlier one, and holds for all.
        return Fetched(folder, files.files, {**facts, **files.facts}, files.back)


def _database(cluster: Cluster, one: Postgres, folder: Path) -> None:
    lies = source.database_folder(folder, one)
    tree.give(lies, "postgres")
    roles = (lies / postgres.ROLES).read_text(encoding="utf-8")
    cluster.require(roles)
    before = f"{one.database}_before_restore"
    replaced = cluster.has(one.database)
    if replaced:
        _set_aside(cluster, one.database, before)
    try:
        cluster.restore(lies / postgres.DUMP, roles, restored.LIMIT)
    except BaseException:
        cluster.query(f"DROP DATABASE IF EXISTS {identifier(one.database)} WITH (FORCE)")
        if replaced:
            _rename(cluster, before, one.database)
        raise
    # What was streamed may hold the fence of the site it came from.
    fence.lift(cluster, [one.database])
    cluster.query("ANALYZE", one.database, limit=restored.LIMIT)


def _set_aside(cluster: Cluster, name: str, aside: str) -> None:
    cluster.query(f"DROP DATABASE IF EXISTS {identifier(aside)} WITH (FORCE)")
    cluster.query(f"ALTER DATABASE {identifier(name)} WITH ALLOW_CONNECTIONS false")
    try:
        cluster.query(_DISCONNECT.replace(":name", literal(name)))
        _rename(cluster, name, aside)
    except BaseException:
        cluster.query(f"ALTER DATABASE {identifier(name)} WITH ALLOW_CONNECTIONS true")
        raise


def _rename(cluster: Cluster, name: str, new: str) -> None:
    cluster.query(f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(new)}")
    cluster.query(f"ALTER DATABASE {identifier(new)} WITH ALLOW_CONNECTIONS true")


def _files(one: Files, folder: Path) -> None:
    target = Path(one.path)
    arriving = target.with_name(f"{target.name}.restoring")
    if arriving.exists():
        shutil.rmtree(arriving)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source.files_folder(folder, one), arriving)
    tree.replace(arriving, target, target.with_name(f"{target.name}.before-restore"))
