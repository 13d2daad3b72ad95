"""What the DR host has received from one home cluster: base backups, and the log that goes on from them.

``<top>/<stretch>/{stretch.json, wal/, base/<id>/, base/<id>.json}``; ``<top>/current`` is the newest stretch. A stretch
is log without a gap. A new one begins when log was lost or the cluster is another one; the old ones stay useful.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup import tree
from backup.repository import write_private
from backup.stream import wal
from backup.stream.wal import Segment
from netdr.kernel.errors import BackupError, BusyError

OWNER = "postgres"
# Seconds that one waits for another who is at the same thing.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Base:
    """A verified base backup. Times are this host's; positions are bytes of log, ``start`` to ``end`` is its own."""

    id: str
    begun: datetime
    ended: datetime
    timeline: int
    start: int
    end: int
    bytes: int
    version: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Log of one cluster without a gap, and the base backups in it. ``segment``: bytes per file of log."""

    folder: Path
    system: str
    segment: int

    @property
    def id(self) -> str:
        """Its name: when it began."""
        return self.folder.name

    @property
    def wal(self) -> Path:
        """Where the receiver writes."""
        return self.folder / "wal"

    def base(self, name: str) -> Path:
        """Return the folder of a base backup: a data directory of PostgreSQL."""
        return self.folder / "base" / name

    def bases(self) -> tuple[Base, ...]:
        """Return the base backups, oldest first. Raise BackupError if what is known of one cannot be read."""
        return tuple(sorted(map(_base, (self.folder / "base").glob("*.json")), key=lambda one: one.ended))

    def keep(self, base: Base) -> None:
        """Record a base backup: from now on it is one."""
        value = {**asdict(base), "begun": base.begun.isoformat(), "ended": base.ended.isoformat()}
        write_private(self.base(f"{base.id}.json"), json.dumps(value, indent=2) + "\n")

    def remove(self, name: str) -> None:
        """Remove a base backup: the record first, so that half of one is never taken for one."""
        self.base(f"{name}.json").unlink(missing_ok=True)
        shutil.rmtree(self.base(name), ignore_errors=True)

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments that are there, in order."""
        return wal.segments((path.name for path in self.wal.iterdir()), self.segment)

    def missing(self, base: Base) -> tuple[str, ...]:
        """Return the names of the segments that are missing between a base backup's end and the newest segment."""
        return wal.missing(self.segments(), base.timeline, base.end, self.segment)

    @property
    def reach(self) -> datetime | None:
        """The newest moment of which it is known that everything committed before it is here; None if none is."""
        path = self.folder / "reach"
        return datetime.fromisoformat(path.read_text(encoding="ascii").strip()) if path.exists() else None

    def reached(self, moment: datetime) -> None:
        """Record that everything committed before ``moment`` is here."""
        write_private(self.folder / "reach", f"{moment.isoformat()}\n")


@dataclass(frozen=True, slots=True)
class Archive:
    """All stretches of one home site's cluster."""

    top: Path

    @property
    def current(self) -> Path:
        """A link to the newest stretch: what the receiver's command line names."""
        return self.top / "current"

    def stretches(self) -> tuple[Stretch, ...]:
        """Return the stretches, oldest first. Raise BackupError if one's record cannot be read."""
        return tuple(_stretch(path) for path in sorted(self.top.glob("*/stretch.json")) if not path.parent.is_symlink())

    def newest(self) -> Stretch | None:
        """Return the newest stretch, None if nothing has been received yet."""
        found = self.stretches()
        return found[-1] if found else None

    def begin(self, system: str, segment: int, now: datetime) -> Stretch:
        """Begin a new stretch and make it the current one. The receiver must not be running."""
        folder = self.top / stamp(now)
        tree.passable(self.top.parent)
        for path in (self.top, folder, folder / "wal", folder / "base"):
            path.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(path, OWNER, OWNER)
        write_private(folder / "stretch.json", json.dumps({"system": system, "segment": segment}) + "\n")
        link = self.top / "current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        link.replace(self.current)
        return _stretch(folder / "stretch.json")

    def remove(self, stretch: Stretch) -> None:
        """Remove a stretch that is not the current one, whole."""
        (stretch.folder / "stretch.json").unlink(missing_ok=True)
        shutil.rmtree(stretch.folder, ignore_errors=True)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold what is there: nothing is removed meanwhile. Raise BusyError if it is being removed for a minute."""
        with self._locked("archive", fcntl.LOCK_SH):
            yield

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Be the one who removes. Raise BusyError if somebody reads for more than a minute."""
        with self._locked("archive", fcntl.LOCK_EX):
            yield

    @contextmanager
    def tending(self, what: str) -> Iterator[None]:
        """Be the one who does ``what`` to keep it in order. Raise BusyError if another goes on for a minute."""
        with self._locked(what, fcntl.LOCK_EX):
            yield

    @contextmanager
    def _locked(self, what: str, how: int) -> Iterator[None]:
        tree.passable(self.top.parent)
        end = time.monotonic() + PATIENCE
        with self.top.with_name(f"{self.top.name}.{what}.lock").open("w", encoding="ascii") as file:
            while True:
                try:
                    fcntl.flock(file, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        hint = "wait until it has ended, then run it again"
                        raise BusyError(f"another is at the {what}", where=str(self.top), hint=hint) from None
                    time.sleep(0.2)
            yield


def stamp(moment: datetime) -> str:
    """Return a moment as a name that sorts by time, in UTC."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"[:-3] + "Z"


def _stretch(path: Path) -> Stretch:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Stretch(path.parent, str(value["system"]), int(value["segment"]))
    except (ValueError, TypeError, LookupError) as error:
        raise BackupError("the record of received log cannot be read", where=str(path), why=str(error)) from error


def _base(path: Path) -> Base:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        moments = {name: datetime.fromisoformat(value[name]) for name in ("begun", "ended")}
        return Base(**{**value, **moments})
    except (ValueError, TypeError, LookupError) as error:
        raise BackupError("the record of a base backup cannot be read", where=str(path), why=str(error)) from error
