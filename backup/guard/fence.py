"""Databases that refuse everybody but the superuser: what an old site's data is when the other site is active.

``CONNECTION LIMIT 0`` refuses every other role, its owner too, and is on the disk: a restart of the server does not
lift it. What the limit was before is written beside it, as a setting of the database itself, so that it can be put back
exactly, wherever the database has gone since: the log that was streamed to the other site has both. Superusers pass:
a backup, a proof and a recovery still read what is fenced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from backup.postgres import Cluster, identifier, literal
from netdr.kernel.errors import RecoveryError

# A setting of netdr's own: PostgreSQL keeps any name with a dot (manual, "Customized Options").
_MARK = "netdr.connection_limit"
# Seconds for sessions to end after they were told to.
_ENDING = 5.0

# One row: the limit in force and, while it is fenced, the one before.
_STATE = """
SELECT datconnlimit, coalesce((
  SELECT split_part(one, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS one
  WHERE setdatabase = d.oid AND setrole = 0 AND one LIKE 'netdr.connection_limit=%'), '')
FROM pg_database d WHERE datname = :name
"""
_OTHERS = """FROM pg_stat_activity JOIN pg_roles r ON r.oid = usesysid
WHERE datname = :name AND NOT rolsuper AND pid <> pg_backend_pid()"""


def fenced(cluster: Cluster, database: str) -> bool | None:
    """Return whether a database is fenced, None if there is no such database."""
    found = _state(cluster, database)
    return None if found is None else bool(found[1])


def fence(cluster: Cluster, databases: Iterable[str]) -> tuple[str, ...]:
    """Make databases refuse new sessions and end those that are open; return which were there to be fenced.

    What is fenced already stays so. Raise BackupError in PostgreSQL's words, RecoveryError if sessions do not end.
    """
    done = []
    for database in databases:
        found = _state(cluster, database)
        if found is None:
            continue
        if not found[1]:
            name = identifier(database)
            mark = f"ALTER DATABASE {name} SET {_MARK} = {literal(found[0])};"
            cluster.query(f"BEGIN; {mark} ALTER DATABASE {name} CONNECTION LIMIT 0; COMMIT;")
        _end_sessions(cluster, database)
        done.append(database)
    return tuple(done)


def lift(cluster: Cluster, databases: Iterable[str]) -> tuple[str, ...]:
    """Put back the limits that ``fence`` has found; return which databases were fenced.

    Raise BackupError with PostgreSQL's words if it fails.
    """
    done = []
    for database in databases:
        found = _state(cluster, database)
        if found is None or not found[1]:
            continue
        name = identifier(database)
        limit = int(found[1])
        cluster.query(
            f"BEGIN; ALTER DATABASE {name} CONNECTION LIMIT {limit}; ALTER DATABASE {name} RESET {_MARK}; COMMIT;"
        )
        done.append(database)
    return tuple(done)


def _state(cluster: Cluster, database: str) -> tuple[str, str] | None:
    rows = cluster.query(_STATE.replace(":name", literal(database)))
    return (rows[0][0], rows[0][1]) if rows else None


def _end_sessions(cluster: Cluster, database: str) -> None:
    others = _OTHERS.replace(":name", literal(database))
    cluster.query(f"SELECT pg_terminate_backend(pid) {others}")
    end = time.monotonic() + _ENDING
    while (left := cluster.query(f"SELECT count(*) {others}")) != [["0"]]:
        if time.monotonic() > end:
            why = f"{left[0][0]} sessions do not end"
            raise RecoveryError("the database is not free of sessions yet", where=database, why=why)
        time.sleep(0.05)
