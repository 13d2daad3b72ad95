"""What a change was about to do, written down before it is done, so that whoever comes after a crash knows.

SQLite, one row per device and step, durable (``synchronous=FULL``) before the step begins. No configuration and no
secret is in it. The number of a transaction only grows, so it also tells an older controller from a newer one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from netdr.kernel.errors import NetdrError
from netdr.kernel.outcome import Outcomes
from nornir_tasks.plan import Plan, dump

_SCHEMA = """
create table if not exists transactions (
    id integer primary key autoincrement,
    opened text not null, owner text not null, ticket text not null, plan text not null,
    closed text, outcome text
) strict;
create table if not exists steps (
    id integer primary key autoincrement,
    transaction_id integer not null references transactions (id),
    at text not null, step text not null, device text not null, state text not null, detail text not null
) strict;
create index if not exists steps_of_transaction on steps (transaction_id);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction as the journal has it; ``outcome`` is empty while it is open."""

    id: int
    opened: str
    owner: str
    ticket: str
    plan: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Step:
    """One row: ``state`` is ``begun``, ``done`` or ``failed``; ``detail`` says why it failed."""

    step: str
    device: str
    state: str
    detail: str


class Journal:
    """The journal of one state folder. Used from one thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "journal.sqlite"
        try:
            self._db = sqlite3.connect(self._path, timeout=10)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def open(self, plan: Plan, owner: str, ticket: str) -> int:
        """Begin a transaction and return its number."""
        rows = "insert into transactions (opened, owner, ticket, plan) values (?, ?, ?, ?)"
        with self._written():
            return int(self._db.execute(rows, (_now(), owner, ticket, dump(plan))).lastrowid or 0)

    def begin(self, transaction: int, step: str, devices: Iterable[str]) -> None:
        """Write, before it is done, that a step begins on these devices."""
        self._rows(transaction, ((step, device, "begun", "") for device in devices))

    def end(self, transaction: int, outcomes: Outcomes) -> None:
        """Write what came of a step."""
        self._rows(
            transaction, ((o.step, o.device, "done" if o.ok else "failed", str(o.failure or "")) for o in outcomes)
        )

    def close_transaction(self, transaction: int, outcome: str) -> None:
        """Write how a transaction ended."""
        with self._written():
            self._db.execute(
                "update transactions set closed = ?, outcome = ? where id = ?", (_now(), outcome, transaction)
            )

    def bury(self) -> None:
        """Write of every transaction that never ended that its controller died. Call it with the lock held."""
        with self._written():
            self._db.execute("update transactions set closed = ?, outcome = 'died' where outcome is null", (_now(),))

    def unfinished(self) -> tuple[Entry, ...]:
        """Return the transactions whose controller died before it could write how they ended, oldest first."""
        rows = "select id, opened, owner, ticket, plan, '' from transactions where outcome is null order by id"
        return tuple(Entry(*row) for row in self._db.execute(rows))

    def steps(self, transaction: int) -> tuple[Step, ...]:
        """Return the rows of a transaction in the order they were written."""
        rows = "select step, device, state, detail from steps where transaction_id = ? order by id"
        return tuple(Step(*row) for row in self._db.execute(rows, (transaction,)))

    def _rows(self, transaction: int, rows: Iterable[tuple[str, str, str, str]]) -> None:
        at = _now()
        insert = "insert into steps (transaction_id, at, step, device, state, detail) values (?, ?, ?, ?, ?, ?)"
        with self._written():
            self._db.executemany(insert, [(transaction, at, *row) for row in rows])

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> NetdrError:
        hint = "free space on the controller's disk; without its journal a change is not begun, and one begun is undone"
        return NetdrError("the journal cannot be written", where=str(self._path), why=str(error), hint=hint)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
