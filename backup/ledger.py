"""What a host knows to have been saved, copied and proven: one line of JSON each, chained by hash, only ever added to.

restic itself calls a repository fine when a snapshot has been deleted or skipped. The ledger remembers that it was
there. A line's hash covers its bytes, and they hold the hash of the line before: adding a line reads only the last one,
checking 100,000 takes a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from backup.manifest import canonical
from netdr.kernel.errors import BackupError

# snapshot, copy: made, copied (by the home host). arrival: first seen at the DR site. judged: what it changed. read:
# stored bytes that were read again. proof: a restore was tried. failure: a job failed. prune: snapshots forgotten.
# hold, release: the brake. base: a base backup of the stream. anchor: how far the other host's ledger was.
# offline: a copy that people carry. drill: the service was started from the copies, with all others, and used.
Kind = Literal[
    "snapshot",
    "copy",
    "arrival",
    "judged",
    "read",
    "proof",
    "failure",
    "success",
    "prune",
    "hold",
    "release",
    "base",
    "anchor",
    "offline",
    "drill",
]
Event = tuple[datetime, Mapping[str, str]]
_START = "0" * 64
# The end of every line: its hash, over all that stands before it.
_HASH = ',"hash":"'
_END = len(_HASH) + 64 + len('"}')
# Bytes. Most lines are shorter than 1 kB.
_BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Line:
    """One event. ``facts`` depend on the kind; ``hash`` covers everything else and the hash of the line before."""

    number: int
    kind: Kind
    at: datetime
    facts: Mapping[str, str]
    before: str
    hash: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one asset on one host."""

    path: Path

    def lines(self) -> tuple[Line, ...]:
        """Return every line. Raise BackupError, naming the line, if the chain does not hold."""
        return parse(self.text(), str(self.path))

    def text(self) -> str:
        """Return the file as it is, for a copy that travels with the next snapshot."""
        return self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""

    def last(self) -> Line | None:
        """Return the last line, None if there is none; it alone is read and checked."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            return self._last(file)[0]

    def add(self, kind: Kind, at: datetime, facts: Mapping[str, str]) -> Line:
        """Add an event and return its line when it is on disk. Raise BackupError if the last line is damaged."""
        return self.extend(kind, [(at, facts)])[0]

    def extend(self, kind: Kind, events: Iterable[Event]) -> tuple[Line, ...]:
        """Add several events of a kind and return their lines when all are on disk. Raise as ``add`` does."""
        with self._locked() as file:
            before, end = self._last(file)
            lines: list[Line] = []
            rows: list[str] = []
            for at, facts in events:
                before, row = _next(before, kind, at, facts)
                lines.append(before)
                rows.append(f"{row}\n")
            # A crash can leave the beginning of a line without its end: it was never acknowledged, so it goes.
            file.truncate(end)
            file.seek(end)
            file.write("".join(rows).encode())
            file.flush()
            os.fsync(file.fileno())
        return tuple(lines)

    def know(self, snapshots: Iterable[Event]) -> int:
        """Add the snapshots, given as time and facts, whose ``id`` this ledger does not have; return how many."""
        known = {line.facts["id"] for line in self.lines() if line.kind == "snapshot"}
        unknown = [(at, facts) for at, facts in snapshots if facts["id"] not in known]
        return len(self.extend("snapshot", unknown)) if unknown else 0

    def _last(self, file: IO[bytes]) -> tuple[Line | None, int]:
        """Return the last whole line of an open file and where it ends."""
        row, end = _last_row(file)
        return (_line(row, f"{self.path}, last line") if row else None), end

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def last(lines: Sequence[Line], kind: Kind) -> Line | None:
    """Return the newest line of a kind, None if there is none."""
    return next((line for line in reversed(lines) if line.kind == kind), None)


def parse(text: str, where: str) -> tuple[Line, ...]:
    """Return the lines of a ledger's text; a last line without its end was never acknowledged.

    Raise BackupError, naming ``where`` and the line, if the chain does not hold.
    """
    lines: list[Line] = []
    before = _START
    for number, row in enumerate(text[: text.rfind("\n") + 1].split("\n")[:-1], start=1):
        line = _line(row, f"{where}:{number}")
        if (line.number, line.before) != (number, before):
            raise _broken(f"{where}:{number}", _CHAIN)
        before = line.hash
        lines.append(line)
    return tuple(lines)


_CHAIN = "the chain of hashes does not hold here"


def _next(before: Line | None, kind: Kind, at: datetime, facts: Mapping[str, str]) -> tuple[Line, str]:
    number, chain = (before.number + 1, before.hash) if before else (1, _START)
    value = {"number": number, "kind": kind, "at": at.isoformat(), "facts": dict(facts), "before": chain}
    body = canonical(value).removesuffix("}")
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Line(number, kind, at, dict(facts), chain, digest), f'{body}{_HASH}{digest}"}}'


def _line(row: str, where: str) -> Line:
    body, end = row[:-_END], row[-_END:]
    digest = end[len(_HASH) : -2]
    if end != f'{_HASH}{digest}"}}' or hashlib.sha256(body.encode()).hexdigest() != digest:
        raise _broken(where, _CHAIN)
    try:
        value = json.loads(row)
        at = datetime.fromisoformat(value["at"])
        return Line(value["number"], value["kind"], at, value["facts"], value["before"], digest)
    except (ValueError, TypeError, LookupError) as error:
        raise _broken(where, str(error)) from error


def _last_row(file: IO[bytes]) -> tuple[str, int]:
    size = file.seek(0, os.SEEK_END)
    block = _BLOCK
    while True:
        start = max(0, size - block)
        file.seek(start)
        tail = file.read(size - start)
        end = tail.rfind(b"\n")
        begin = tail.rfind(b"\n", 0, max(end, 0))
        if start == 0 or (end >= 0 and begin >= 0):
            return tail[begin + 1 : max(end, 0)].decode("utf-8", "replace"), start + end + 1
        block *= 4


def _broken(where: str, why: str) -> BackupError:
    hint = "someone changed the ledger, or the disk did: compare it with the other site's copy"
    return BackupError("the ledger is broken", where=where, why=why, hint=hint)
