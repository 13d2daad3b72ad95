"""Put a snapshot into service: the database recreated and the files in place, on the host that will serve them.

What was there before is kept beside it (database ``<name>_before_restore``, folder ``<path>.before-restore``), once.
The service must be stopped: whoever is connected to the database is disconnected.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from backup import postgres, restored, snapshots, source, tree
from backup.duty import Duty
from backup.machine import Machine
from backup.postgres import Cluster, identifier, literal
from backup.report import Steps
from backup.repository import Layout
from backup.restic import Repository
from inventory.asset import Files, Postgres

Site = Literal["home", "standby"]

_DISCONNECT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"


def run(
    machine: Machine, duty: Duty, steps: Steps, wanted: str = snapshots.LATEST, origin: Site = "standby"
) -> Mapping[str, object]:
    """Restore a snapshot from the repository of ``origin`` into the service's own places and return the facts.

    Facts: ``snapshot``, ``source``, ``as_of`` (everything acknowledged before it is back), ``manifest``, ``files``,
    ``bytes``. Nothing is touched before the restored tree has been compared with its manifest. Raise DifferentError
    if it differs, BackupError if a database or folder cannot be put in place; the old one is then where it was.
    """
    name = duty.asset.id
    work = machine.layout.cache / "restore" / name
    repository = _repository(machine, duty, origin)
    with machine.alone(name, "restore"):
        try:
            with steps.step("list"):
                found = snapshots.of_service(machine.plain_restic.snapshots(repository), name)
                snapshot = snapshots.choose(found, wanted, repository.label)
            with steps.step("restore and hash"):
                tree.clear(work, mode=0o711)
                back = restored.restore(machine.plain_restic, repository, snapshot, work / "tree")
            for one in duty.asset.data:
                if isinstance(one, Postgres):
                    with steps.step(f"database {one.database}"):
                        _database(machine.cluster(), one, back.folder)
                elif isinstance(one, Files):
                    with steps.step(f"files {one.path}"):
                        _files(one, back.folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return {
        "snapshot": snapshot.id,
        "source": snapshot.source,
        "as_of": snapshots.as_of(snapshot).isoformat(),
        "manifest": back.manifest.root,
        "files": back.manifest.files,
        "bytes": back.manifest.size,
    }


def _repository(machine: Machine, duty: Duty, origin: Site) -> Repository:
    layout: Layout = machine.layout
    if duty.role == "standby":
        return layout.disk(duty.asset.id)
    if origin == "home":
        return layout.home(duty.asset.id)
    return layout.standby(duty.asset.id, machine.book.server)


def _database(cluster: Cluster, one: Postgres, folder: Path) -> None:
    lies = source.database_folder(folder, one)
    tree.give(lies, "postgres")
    before = f"{one.database}_before_restore"
    replaced = cluster.has(one.database)
    if replaced:
        _set_aside(cluster, one.database, before)
    try:
        cluster.restore(lies / postgres.DUMP, (lies / postgres.ROLES).read_text(encoding="utf-8"), restored.LIMIT)
    except BaseException:
        cluster.query(f"DROP DATABASE IF EXISTS {identifier(one.database)} WITH (FORCE)")
        if replaced:
            _rename(cluster, before, one.database)
        raise
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
