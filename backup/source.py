"""What a service's data is, brought into one folder from which it is hashed and saved.

The copy is what counts: it cannot change while it is hashed and read, whatever the service goes on writing. The layout
of a staged tree is the same everywhere: ``postgresql/<database>/dump/``, ``postgresql/<database>/roles.sql``,
``files/<path>/``, ``ledger.jsonl``, ``manifest.json``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup import manifest, postgres, tree
from backup.manifest import Manifest
from backup.postgres import Cluster
from inventory.asset import DataSource, Files, Postgres
from netdr.kernel.errors import BackupError, NetdrError, Problems

LEDGER = "ledger.jsonl"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Staged:
    """A staged tree, its manifest, and the special files that were left out because they hold no data."""

    folder: Path
    manifest: Manifest
    left_out: tuple[str, ...]


def files_folder(top: Path, source: Files) -> Path:
    """Return where a directory tree lies in a staged tree."""
    return top / "files" / source.path.strip("/")


def database_folder(top: Path, source: Postgres) -> Path:
    """Return where a database lies in a staged tree."""
    return top / "postgresql" / source.database


def require(data: Sequence[DataSource], cluster: Callable[[], Cluster]) -> None:
    """Raise Problems with every source that is not there: restic before 0.19 saves the rest and calls it success."""
    problems: list[NetdrError] = []
    for source in data:
        if isinstance(source, Files):
            if not Path(source.path).is_dir():
                problems.append(BackupError("there is no such directory", where=source.path, hint=_HINT))
        elif isinstance(source, Postgres):
            problems += _require_database(source, cluster)
    if problems:
        raise Problems(problems)


def stage(data: Sequence[DataSource], into: Path, cluster: Callable[[], Cluster], *, limit: float) -> tuple[str, ...]:
    """Bring every source into the empty folder ``into``; return the special files left out.

    Raise BackupError if one of them cannot be had whole. ``limit`` is in seconds, for each database.
    """
    left_out: list[str] = []
    for source in data:
        if isinstance(source, Files):
            folder = files_folder(into, source)
            tree.passable(folder.parent)
            left_out += tree.copy(Path(source.path), folder)
        elif isinstance(source, Postgres):
            _stage_database(source, database_folder(into, source), cluster(), limit)
    return tuple(left_out)


def seal(service: str, host: str, folder: Path, as_of: datetime) -> Manifest:
    """Hash the staged tree, write its manifest into it and return it."""
    made = Manifest(service, host, as_of, manifest.scan(folder), {"format": "1"})
    path = folder / manifest.NAME
    path.write_text(made.dump(), encoding="ascii")
    path.chmod(0o600)
    return made


_HINT = "check data of the service in services.yaml, and that its disk is mounted"


def _require_database(source: Postgres, cluster: Callable[[], Cluster]) -> list[NetdrError]:
    try:
        found = cluster().has(source.database)
    except NetdrError as error:
        return [error]
    if found:
        return []
    return [BackupError(f"there is no database '{source.database}'", where="PostgreSQL", hint=_HINT)]


def _stage_database(source: Postgres, folder: Path, cluster: Cluster, limit: float) -> None:
    tree.passable(folder.parent)
    folder.mkdir(mode=0o700)
    # pg_dump runs as the server's account and makes the folder of the dump itself.
    shutil.chown(folder, "postgres", "postgres")
    cluster.dump(source.database, folder / postgres.DUMP, limit)
    roles = folder / postgres.ROLES
    roles.write_text(cluster.roles(source.database), encoding="utf-8")
    roles.chmod(0o600)
