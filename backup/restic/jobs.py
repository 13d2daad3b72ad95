"""Which restic processes of ours hold a repository: a file each, so that whose a lock was can be proven after a crash.

A process is known by its number, when it started (proc(5), field 22, in clock ticks since boot) and which boot that
was: together they are never used again. A file that is still there when its process has gone tells of a killed job.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """A process of this host: its number, its start in clock ticks since boot, the boot's id and the host's name."""

    pid: int
    start: int
    boot: str
    host: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs, not another one that got its number."""
        return self.boot == _boot() and started(self.pid) == self.start


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as its file tells of it: what it did, to which repository, since when (system's clock), as whom."""

    file: Path
    command: str
    repository: str
    at: datetime
    process: Process


@dataclass(frozen=True, slots=True)
class Job:
    """One call of restic: ``begun`` writes its file, ``ended`` removes it. A killed or failed one leaves it."""

    file: Path
    command: str
    repository: str

    def begun(self, pid: int) -> None:
        """Write down the process that does it: before it can hold a lock, as it has to open the repository first."""
        process = Process(pid, started(pid) or 0, _boot(), socket.gethostname())
        at = datetime.now(UTC).isoformat()
        value = {"command": self.command, "repository": self.repository, "at": at, "process": asdict(process)}
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.file.open("w", encoding="utf-8") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(file.fileno())

    def ended(self) -> None:
        """Forget it: it ended well, so it has taken its locks away."""
        self.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of this host, in a folder."""

    folder: Path

    def job(self, command: str, repository: str) -> Job:
        """Return a job that is about to begin; ``repository``: its label."""
        return Job(self.folder / f"{command}-{secrets.token_hex(8)}.json", command, repository)

    def dead(self, repository: str) -> tuple[Entry, ...]:
        """Return the jobs on a repository whose process has gone without an end."""
        found = (entry for path in self.folder.glob("*.json") if (entry := _entry(path)))
        return tuple(entry for entry in found if entry.repository == repository and not entry.process.alive)


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _boot() -> str:
    return _BOOT.read_text(encoding="ascii").strip()


def _entry(path: Path) -> Entry | None:
    try:
        value: Mapping[str, object] = json.loads(path.read_text(encoding="utf-8"))
        process = value["process"]
        if not isinstance(process, dict):
            return None
        at = datetime.fromisoformat(str(value["at"]))
        return Entry(path, str(value["command"]), str(value["repository"]), at, Process(**process))
    except (OSError, ValueError, TypeError, LookupError):
        # Cut short by a crash, before its process could have taken a lock.
        return None
