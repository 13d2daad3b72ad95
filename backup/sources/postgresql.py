"""PostgreSQL databases: dumped whole to disk, exit code checked, before anything is saved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import postgres, source, tree
from backup.machine import Machine
from backup.postgres import literal
from inventory.asset import Postgres
from netdr.kernel.errors import BackupError, NetdrError


def require(one: Postgres, machine: Machine) -> Sequence[NetdrError]:
    """Return a problem unless the cluster answers and has the database."""
    try:
        if machine.cluster().has(one.database):
            return []
    except NetdrError as error:
        return [error]
    return [BackupError(f"there is no database '{one.database}'", where=machine.book.host, hint=source.HINT)]


def stage(one: Postgres, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:
    """Dump the database and the roles it needs; nothing is shown as it is. Raise BackupError if pg_dump fails."""
    place, cluster = source.database_folder(folder, one), machine.cluster()
    tree.passable(place.parent)
    place.mkdir(mode=0o700)
    # pg_dump runs as the server's account and makes the folder of the dump itself.
    shutil.chown(place, "postgres", "postgres")
    cluster.dump(one.database, place / postgres.DUMP, limit)
    roles = place / postgres.ROLES
    roles.write_text(cluster.roles(one.database), encoding="utf-8")
    roles.chmod(0o600)
    return {}


def size(one: Postgres, machine: Machine) -> int:
    """Return how many bytes the database takes in the cluster; a dump has no indexes, so it is smaller."""
    return int(machine.cluster().query(f"SELECT pg_database_size({literal(one.database)})")[0][0])
