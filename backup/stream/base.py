"""Base backups: the whole cluster's files, each with a checksum, and the log that makes them consistent."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

from backup.host import Shell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES
from backup.report import Progress
from backup.stream import wal
from backup.stream.archive import Base, Stretch, stamp
from backup.stream.wire import Wire, refusal
from netdr.kernel.errors import BackupError, ProofError

# Seconds. 1 GB took 2.6 s on a local disk and takes 85 s at 100 Mbit/s.
LIMIT = 12 * 3600.0
MANIFEST = "backup_manifest"


def take(machine: Machine, wire: Wire, stretch: Stretch, progress: Progress, rate: int | None = None) -> Base:
    """Take a base backup, verify every file of it against its manifest, record it and return it.

    ``rate``: how many KiB/s it may take on the line, None: all.
    The checkpoint it begins with is an immediate one: the source writes its dirty pages now, not over minutes.
    Raise UnreachableError, BackupError or ProofError; nothing is left of a base backup that did not succeed.
    """
    begun = machine.clock()
    name = stamp(begun)
    folder = stretch.base(f"{name}.taking")
    for left in stretch.base("x").parent.glob("*.taking"):
        shutil.rmtree(left)
    flags = ["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256", "--progress", "--no-password"]
    if rate:
        # pg_basebackup takes no less and no more.
        flags.append(f"--max-rate={min(max(rate, 32), 2**20)}")
    argv = wire.argv("pg_basebackup", *flags, f"--label=netdr {name}", f"--pgdata={folder}")
    try:
        _copy(machine.shell, wire, argv, progress)
        verify(machine.shell, wire.programs, folder)
        made = _record(folder, name, begun, machine.clock())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    folder.rename(stretch.base(name))
    stretch.keep(made)
    return made


def _copy(shell: Shell, wire: Wire, argv: list[str], progress: Progress) -> None:
    done = shell.run(argv, limit=LIMIT, watch=lambda line: _tell(line, wire.link.site, progress))
    if done.code != 0:
        raise refusal(wire.link, done)


def verify(shell: Shell, programs: Path, folder: Path) -> None:
    """Raise ProofError, naming files, if a base backup is not what its manifest says or its own log cannot be read."""
    argv = [*AS_POSTGRES, str(programs / "pg_verifybackup"), "--quiet", str(folder)]
    done = shell.run(argv, limit=LIMIT)
    if done.code != 0:
        words = [line.removeprefix("pg_verifybackup: ") for line in done.err.splitlines() if line.strip()]
        hint = "use an older base backup, and find out what changed this host's disk"
        raise ProofError("a base backup is damaged", where=str(folder), why=" | ".join(words[:5]), hint=hint)


def _record(folder: Path, name: str, begun: datetime, ended: datetime) -> Base:
    value = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    ranges = value["WAL-Ranges"]
    if not ranges:
        raise BackupError("a base backup says nothing of its log", where=str(folder / MANIFEST))
    return Base(
        id=name,
        begun=begun,
        ended=ended,
        timeline=int(ranges[-1]["Timeline"]),
        start=min(wal.position(one["Start-LSN"]) for one in ranges),
        end=max(wal.position(one["End-LSN"]) for one in ranges),
        bytes=sum(int(one["Size"]) for one in value["Files"]),
        version=int((folder / "PG_VERSION").read_text(encoding="ascii")),
    )


def _tell(line: str, site: str, progress: Progress) -> None:
    # "   31425/42153 kB (74%), 0/1 tablespace", once a second.
    found = re.match(r"\s*(\d+)/(\d+) kB \((\d+)%\)", line)
    if found:
        got, all_, share = (int(part) for part in found.groups())
        progress(f"{site}: base backup {share} % of {all_ / 1e6:.2f} GB, {(all_ - got) / 1e6:.2f} GB left")
