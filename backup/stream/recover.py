"""A throw-away cluster of any moment since the oldest base backup: that base, and the log up to the moment.

It runs in a bubble from copies, so neither the archive nor any database in service is touched, and nothing of it stays.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from backup.bubble import Bubble
from backup.host import Shell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster
from backup.stream import wal
from backup.stream.archive import OWNER, Archive, Base, Stretch
from netdr.kernel.errors import BackupError, MissingError, ProofError

# Seconds to copy a base backup, and to replay the log since.
LIMIT = 4 * 3600.0
PORT = 5432
# How far the clocks of the two sites may be apart: chrony keeps them within milliseconds.
SKEW = timedelta(minutes=1)
# Data that nobody will need again waits for no disk; nothing of the source's own settings that reaches out or loads
# programs is in force. Without hot standby no setting has to be as large as at the source.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "ssl": "off",
    "hot_standby": "off",
    "archive_mode": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "recovery_target_timeline": "latest",
    "recovery_end_command": "",
    "shared_preload_libraries": "",
    "session_preload_libraries": "",
    "max_prepared_transactions": "64",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "synchronous_standby_names": "",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "cluster_name": "",
}
_SHORT = "recovery ended before configured recovery target was reached"
_EARLY = "before consistent recovery point"
_LAST = re.compile(r"last completed transaction was at log time (\S+ \S+)")


@dataclass(frozen=True, slots=True)
class Point:
    """Where a recovery begins and what it must reach: a stretch, a base backup in it, a moment (None: the newest)."""

    stretch: Stretch
    base: Base
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """A running cluster of the past. ``committed``: the time of the last transaction in it, by the source's clock."""

    cluster: Cluster
    point: Point
    position: str
    committed: datetime | None


def candidates(archive: Archive, at: datetime | None, now: datetime) -> tuple[Point, ...]:
    """Return where a recovery to ``at`` may begin, the best first: a pure choice among what the archive has.

    Raise BackupError, saying what can be had, if nothing leads there: ``at`` is in the future, before the oldest base
    backup, in a time whose log was lost, or segments are missing on the way, which are named.
    """
    where = str(archive.top)
    if at and at > now:
        raise BackupError(f"{at:%F %T%z} is in the future", where=where, hint=f"it is {now:%F %T%z} now")
    pairs = [(stretch, one) for stretch in archive.stretches() for one in stretch.bases()]
    if not pairs:
        hint = "netdr backup stream takes the first"
        raise BackupError("there is no base backup yet", where=where, hint=hint)
    fitting = [(stretch, one) for stretch, one in reversed(pairs) if at is None or one.begun <= at]
    if not fitting:
        why = f"the oldest base backup is of {pairs[0][1].ended:%F %T%z}"
        hint = "restore a snapshot: netdr backup list"
        raise BackupError(f"{at:%F %T%z} is before the oldest base backup", where=where, why=why, hint=hint)
    first = fitting[0][0]
    return tuple(Point(stretch, one, at) for stretch, one in fitting if stretch == first)


def require_log(point: Point) -> None:
    """Raise BackupError, naming them, if segments are missing after the base backup."""
    missing = point.stretch.missing(point.base)
    if missing:
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise BackupError(
            "log is missing after the base backup",
            where=str(point.stretch.wal),
            why=f"{named}",
            hint="someone removed it: recover to a moment before it from the base backup's own log, or use a snapshot",
        )


@contextmanager
def recovered(
    machine: Machine, archive: Archive, bubble: Bubble, work: Path, at: datetime | None = None
) -> Iterator[Recovered]:
    """Run a cluster as it was at ``at`` (None: as new as can be had) in the bubble while the block runs.

    ``work`` is a new folder that postgres can reach, with at most 80 characters. Raise BackupError as ``candidates``
    and ``require_log`` do, or if the log ends before ``at``; MissingError without the source's version of PostgreSQL;
    ProofError if it does not start.
    """
    with archive.reading(), ExitStack() as servers:
        points = candidates(archive, at, machine.clock())
        for number, point in enumerate(points):
            require_log(point)
            try:
                with ExitStack() as attempt:
                    found = _recover(attempt, machine.shell, bubble, point, work / str(number))
                    servers.enter_context(attempt.pop_all())
            except _TooEarlyError:
                shutil.rmtree(work / str(number))
                continue
            yield found
            return
    why = f"it was complete at {points[-1].base.ended:%F %T%z}"
    hint = "choose a later time, or a snapshot: netdr backup list"
    what = f"{at:%F %T%z} is before the oldest base backup was complete"
    raise BackupError(what, where=str(archive.top), why=why, hint=hint)


class _TooEarlyError(Exception):
    """The base backup was not yet complete at the wanted moment; an older one may do."""


def _recover(servers: ExitStack, shell: Shell, bubble: Bubble, point: Point, folder: Path) -> Recovered:
    try:
        found = _start(servers, shell, bubble, point, folder)
        if point.at and found.committed is None and point.at < point.base.ended + SKEW:
            # Nothing was replayed, so nothing tells that what is in the base backup is not from after that moment.
            raise _TooEarlyError
    except ProofError as error:
        log = _log(folder)
        if _EARLY in log:
            raise _TooEarlyError from None
        if _SHORT not in log or point.at is None:
            raise
        if point.stretch.reach is None or point.stretch.reach < point.at:
            raise _short(point, log) from error
    else:
        return found
    # Everything committed before ``at`` is here, and PostgreSQL has met nothing later: the log's end is that moment.
    shutil.rmtree(folder)
    found = _start(servers, shell, bubble, replace(point, at=None), folder)
    if found.committed and found.committed > point.at:
        raise BackupError("new log arrived meanwhile", where=str(point.stretch.wal), hint="run it again")
    return found


def _start(servers: ExitStack, shell: Shell, bubble: Bubble, point: Point, folder: Path) -> Recovered:
    programs = VERSIONS / str(point.base.version) / "bin"
    if not (programs / "postgres").exists():
        hint = f"apt-get install postgresql-{point.base.version}"
        raise MissingError(f"PostgreSQL {point.base.version} is not installed", where=str(programs), hint=hint)
    _lay_out(shell, point, folder)
    server = [*AS_POSTGRES, str(programs / "postgres"), "-D", str(folder / "data"), *_options(point, folder)]
    servers.enter_context(bubble.serving(server, lambda: _ready(folder), log=folder / "log", limit=LIMIT))
    cluster = Cluster(bubble, programs, socket=folder, port=PORT)
    ((position, committed),) = cluster.query(
        "SET timezone = 'UTC'; SELECT pg_last_wal_replay_lsn(), to_json(pg_last_xact_replay_timestamp())#>>'{}'"
    )
    return Recovered(cluster, point, position, datetime.fromisoformat(committed) if committed else None)


def _lay_out(shell: Shell, point: Point, folder: Path) -> None:
    """Copy the base backup and, since the receiver goes on meanwhile, the segment that it is writing."""
    (folder / "partial").mkdir(mode=0o700, parents=True)
    for path in point.stretch.wal.glob(f"*{wal.PARTIAL}"):
        shutil.copyfile(path, folder / "partial" / path.name.removesuffix(wal.PARTIAL))
    done = shell.run(["cp", "-a", str(point.stretch.base(point.base.id)), str(folder / "data")], limit=LIMIT)
    if done.code != 0:
        raise BackupError("a base backup cannot be copied", where=str(folder), why=done.last_words)
    data = folder / "data"
    (data / "postgresql.conf").write_text("", encoding="ascii")
    (data / "pg_hba.conf").write_text("local all all trust\n", encoding="ascii")
    (data / "pg_ident.conf").write_text("", encoding="ascii")
    (data / "recovery.signal").write_text("", encoding="ascii")
    shell.run(["chown", "-R", f"{OWNER}:{OWNER}", str(folder)], limit=LIMIT)


def _options(point: Point, folder: Path) -> list[str]:
    data, log, partial = folder / "data", point.stretch.wal, folder / "partial"
    fetch = " || ".join(f"cp {shlex.quote(str(place))}/%f %p 2>/dev/null" for place in (log, partial))
    settings = {
        **_SETTINGS,
        "unix_socket_directories": str(folder),
        "hba_file": str(data / "pg_hba.conf"),
        "ident_file": str(data / "pg_ident.conf"),
        "restore_command": fetch,
        "recovery_target_action": "promote",
        "recovery_target_time": point.at.isoformat() if point.at else "",
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _ready(folder: Path) -> bool:
    # The eighth line of postmaster.pid is the server's state (PostgreSQL's miscadmin.h).
    try:
        lines = (folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return lines[7:8] == ["ready   "]


def _log(folder: Path) -> str:
    path = folder / "log"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _short(point: Point, log: str) -> BackupError:
    found = _LAST.search(log)
    newest = f"the last transaction received is of {found[1]} UTC" if found else "it has no transaction"
    hint = "leave the time away for the newest that can be had, or run netdr backup stream first"
    return BackupError(
        f"the log received ends before {point.at:%F %T%z}", where=str(point.stretch.wal), why=newest, hint=hint
    )
