"""A row a second in a database of its own: the newest one that comes back says how much would have been lost.

It also keeps an idle cluster's log moving, so that any moment can be recovered to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backup import tree
from backup.machine import Machine
from backup.postgres import Cluster
from backup.stream.daemon import Daemon

DATABASE = "netdr_canary"
_SCRIPT = "canary.sql"
_TABLE = """
CREATE TABLE IF NOT EXISTS canary (seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
# The last thousand stay: enough to see which were lost.
_BEAT = """
WITH old AS (DELETE FROM canary WHERE seq <= (SELECT max(seq) FROM canary) - 1000)
INSERT INTO canary DEFAULT VALUES RETURNING seq, to_json(at)#>>'{}'
"""
_NEWEST = "SELECT seq, to_json(at)#>>'{}' FROM canary ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Beat:
    """One row: its number and the source's time."""

    seq: int
    at: datetime


def prepare(cluster: Cluster) -> None:
    """Make the database and its table where they are missing."""
    if not cluster.has(DATABASE):
        cluster.query(f"CREATE DATABASE {DATABASE}")
    cluster.query(f"SET client_min_messages = warning; {_TABLE}", DATABASE)


def beat(cluster: Cluster) -> Beat:
    """Write a row and return it when it is committed."""
    return _beat(cluster.query(f"SET timezone = 'UTC'; {_BEAT}", DATABASE)[0])


def newest(cluster: Cluster) -> Beat | None:
    """Return the newest row, None if there is none, or no such database."""
    if not cluster.has(DATABASE):
        return None
    rows = cluster.query(f"SET timezone = 'UTC'; {_NEWEST}", DATABASE)
    return _beat(rows[0]) if rows else None


def _beat(row: list[str]) -> Beat:
    return Beat(int(row[0]), datetime.fromisoformat(row[1]))


def daemon(machine: Machine) -> Daemon:
    """Return the program that writes a row a second on a home host."""
    folder = machine.layout.stream / "canary"
    flags = ["-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-f", str(folder / _SCRIPT)]
    return Daemon("netdr-canary", "netdr canary", machine.cluster().client("psql", *flags), folder)


def ensure(machine: Machine) -> bool:
    """Make sure that it runs and return whether it had to be started. Raise BackupError if it does not stay up."""
    found = daemon(machine)
    tree.passable(found.folder)
    script = found.folder / _SCRIPT
    script.write_text(f"{_BEAT.strip()}\n\\watch 1\n", encoding="utf-8")
    script.chmod(0o644)
    return found.ensure(machine.shell)
