"""What a host knows to have been saved, copied and proven: one line of JSON each, chained by hash, only ever added to.

restic itself calls a repository fine when a snapshot has been deleted or skipped. The ledger remembers that it was
there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from backup.manifest import canonical
from netdr.kernel.errors import BackupError

Kind = Literal["snapshot", "copy", "proof", "failure"]
_START = "0" * 64


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
    """The ledger of one service on one host."""

    path: Path

    def lines(self) -> tuple[Line, ...]:
        """Return every line. Raise BackupError, naming the line, if the chain does not hold."""
        if not self.path.exists():
            return ()
        with self.path.open(encoding="utf-8") as file:
            return _parse(file.read(), str(self.path))

    def text(self) -> str:
        """Return the file as it is, for a copy that travels with the next snapshot."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else ""

    def add(self, kind: Kind, at: datetime, facts: Mapping[str, str]) -> Line:
        """Add an event and return its line when it is on disk. Raise BackupError if the chain does not hold."""
        with self._locked() as file:
            text = file.read()
            lines = _parse(text, str(self.path))
            line = _next(lines[-1] if lines else None, kind, at, facts)
            # A crash can leave the beginning of a line without its end: it was never acknowledged, so it goes.
            file.truncate(len(text[: text.rfind("\n") + 1].encode()))
            file.seek(0, os.SEEK_END)
            file.write(_dump(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return line

    def learn(self, text: str) -> int:
        """Add the snapshots of another host's ledger that this one does not have and return how many.

        ``text`` came with a snapshot. Raise BackupError if its chain does not hold.
        """
        return self.know(
            (line.at, line.facts) for line in _parse(text, "the source's ledger") if line.kind == "snapshot"
        )

    def know(self, snapshots: Iterable[tuple[datetime, Mapping[str, str]]]) -> int:
        """Add the snapshots, given as time and facts, whose ``id`` this ledger does not have; return how many."""
        known = {line.facts["id"] for line in self.lines() if line.kind == "snapshot"}
        unknown = [(at, facts) for at, facts in snapshots if facts["id"] not in known]
        for at, facts in unknown:
            self.add("snapshot", at, facts)
        return len(unknown)

    @contextmanager
    def _locked(self) -> Iterator[IO[str]]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file


def last(lines: tuple[Line, ...], kind: Kind) -> Line | None:
    """Return the newest line of a kind, None if there is none."""
    return next((line for line in reversed(lines) if line.kind == kind), None)


def _next(before: Line | None, kind: Kind, at: datetime, facts: Mapping[str, str]) -> Line:
    number = before.number + 1 if before else 1
    chain = before.hash if before else _START
    return Line(number, kind, at, dict(facts), chain, _hash(number, kind, at, facts, chain))


def _hash(number: int, kind: str, at: datetime, facts: Mapping[str, str], before: str) -> str:
    value = [number, kind, at.isoformat(), dict(facts), before]
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _dump(line: Line) -> str:
    value = {"number": line.number, "kind": line.kind, "at": line.at.isoformat(), "facts": dict(line.facts)}
    return canonical({**value, "before": line.before, "hash": line.hash})


def _parse(text: str, where: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    complete = text[: text.rfind("\n") + 1]
    for number, row in enumerate(complete.splitlines(), start=1):
        line = _line(row, f"{where}:{number}")
        before = lines[-1].hash if lines else _START
        honest = _hash(line.number, line.kind, line.at, line.facts, line.before)
        # The row too: Python reads a time that is written in another way as the same time.
        if (line.number, line.before, line.hash, row) != (number, before, honest, _dump(line)):
            raise _broken(f"{where}:{number}", "the chain of hashes does not hold here")
        lines.append(line)
    return tuple(lines)


def _line(row: str, where: str) -> Line:
    try:
        value = json.loads(row)
        at = datetime.fromisoformat(value["at"])
        return Line(value["number"], value["kind"], at, value["facts"], value["before"], value["hash"])
    except (ValueError, TypeError, LookupError) as error:
        raise _broken(where, str(error)) from error


def _broken(where: str, why: str) -> BackupError:
    hint = "someone changed the ledger, or the disk did: compare it with the other site's copy"
    return BackupError("the ledger is broken", where=where, why=why, hint=hint)
