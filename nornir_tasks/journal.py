"""What a change was about to do, written down before it is done, so that whoever comes after a crash knows.

SQLite, one row per device and step, durable (``synchronous=FULL``) before the step begins. A transaction's number is
the token that fences its devices, so it only grows. The configurations of before and after are kept encrypted
(texts.py): they are the way back when the devices' own memory is not enough. No other secret is in it.

Everything is written as entries, and every entry goes to a mirror as well: another site's controller keeps the same
journal by applying the same entries (replica.py), and can end what this one began.
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from netdr.kernel.errors import NetdrError
from netdr.kernel.outcome import Outcome, Outcomes
from nornir_tasks.plan import Plan, dump

_SCHEMA = """
create table if not exists transactions (
    id integer primary key,
    opened text not null, owner text not null, ticket text not null, plan text not null,
    verb text not null default 'deploy', continues integer not null default 0,
    texts blob, closed text, outcome text
) strict;
create table if not exists steps (
    id integer primary key autoincrement,
    transaction_id integer not null references transactions (id),
    at text not null, step text not null, device text not null, state text not null, detail text not null,
    seconds real not null default 0
) strict;
create index if not exists steps_of_transaction on steps (transaction_id);
"""
# Columns that the first journals did not have.
_LATER = (
    ("transactions", "verb", "text not null default 'deploy'"),
    ("transactions", "continues", "integer not null default 0"),
    ("transactions", "texts", "blob"),
    ("steps", "seconds", "real not null default 0"),
)
# The steps from which on a device is not as it was, or may not be.
CHANGING = frozenset({"arm", "confirm", "abort"})

Entry = Mapping[str, Any]


class Mirror(Protocol):
    """Where every entry goes as well."""

    def send(self, entry: Entry) -> None:
        """Hand an entry on. Must not fail: that nobody takes it is for ``settled`` to say."""

    def settled(self) -> None:
        """Wait until what was sent is durable at the other end, or known not to become so."""


class NoMirror:
    """A journal that is kept here only."""

    def send(self, entry: Entry) -> None:
        """See Mirror."""

    def settled(self) -> None:
        """See Mirror."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as the journal has it. ``outcome`` is empty while it is open, ``texts`` are still sealed.

    ``continues`` is the transaction that this one finishes or takes back, 0 if it is a change of its own.
    """

    id: int
    opened: str
    owner: str
    ticket: str
    plan: str
    verb: str
    continues: int
    texts: bytes
    outcome: str


@dataclass(frozen=True, slots=True)
class Step:
    """One row: ``state`` is ``begun``, ``done`` or ``failed``; ``detail`` says why it failed."""

    step: str
    device: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a transaction begins with: see Transaction."""

    number: int
    plan: Plan
    owner: str
    ticket: str = ""
    verb: str = "deploy"
    continues: int = 0


class Journal:
    """The journal in one file, made if it is not there. Used from one thread."""

    def __init__(self, path: Path, mirror: Mirror | None = None) -> None:
        self._path, self._mirror = path, mirror or NoMirror()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            self._db.executescript(_SCHEMA)
            self._complete()
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error

    def _complete(self) -> None:
        """Give a journal of an earlier netdr the columns that it lacks."""
        for table, column, kind in _LATER:
            if column not in {row[1] for row in self._db.execute(f"pragma table_info({table})")}:
                self._db.execute(f"alter table {table} add column {column} {kind}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ---- writing ---------------------------------------------------------------------------------------------

    def open(self, opening: Opening) -> None:
        """Begin a transaction."""
        values = {"id": opening.number, "owner": opening.owner, "ticket": opening.ticket, "plan": dump(opening.plan)}
        self._write({"kind": "open", "at": _now(), **values, "verb": opening.verb, "continues": opening.continues})

    def keep(self, transaction: int, texts: bytes) -> None:
        """Write the sealed configurations of before and after."""
        self._write({"kind": "keep", "id": transaction, "texts": b64encode(texts).decode()})

    def begin(self, transaction: int, step: str, devices: Iterable[str]) -> None:
        """Write, before it is done, that a step begins on these devices; here, and if it changes them, elsewhere."""
        self._write(_rows(transaction, ([step, device, "begun", "", 0.0] for device in devices)))
        if step in CHANGING:
            self._mirror.settled()

    def end(self, transaction: int, outcomes: Outcomes) -> None:
        """Write what came of a step."""
        self._write(_rows(transaction, (_told(outcome) for outcome in outcomes)))

    def close_transaction(self, transaction: int, outcome: str) -> None:
        """Write how a transaction ended, and with it the ones that it continues."""
        self._write({"kind": "close", "at": _now(), "id": transaction, "outcome": outcome})
        self._mirror.settled()

    def apply(self, entry: Entry) -> None:
        """Write an entry that a journal made, durably. Raise NetdrError if it cannot be written or is not an entry."""
        try:
            with self._written():
                _APPLY[entry["kind"]](self._db, entry)
        except (LookupError, TypeError, ValueError) as error:
            raise NetdrError("not an entry of a journal", where=str(self._path), why=str(error)) from error

    def _write(self, entry: Entry) -> None:
        self.apply(entry)
        self._mirror.send(entry)

    # ---- reading ---------------------------------------------------------------------------------------------

    def last(self) -> int:
        """Return the highest number of a transaction, 0 without any."""
        return int(self._db.execute("select coalesce(max(id), 0) from transactions").fetchone()[0])

    def unfinished(self) -> tuple[Transaction, ...]:
        """Return the transactions whose controller died before it could write how they ended, oldest first."""
        return self._transactions("outcome is null")

    def transaction(self, number: int) -> Transaction | None:
        """Return one transaction, None if there is none of that number."""
        found = self._transactions("id = ?", number)
        return found[0] if found else None

    def latest(self, count: int) -> tuple[Transaction, ...]:
        """Return the last transactions, the newest first."""
        found = self._transactions("id > (select coalesce(max(id), 0) from transactions) - 1000")
        return tuple(reversed(found))[:count]

    def steps(self, transaction: int) -> tuple[Step, ...]:
        """Return the rows of a transaction in the order they were written."""
        rows = "select step, device, state, detail from steps where transaction_id = ? order by id"
        return tuple(Step(*row) for row in self._db.execute(rows, (transaction,)))

    def changed_anything(self, transaction: int) -> bool:
        """Return whether a transaction got so far that a device may not be as it was."""
        return any(row.step in CHANGING for row in self.steps(transaction))

    def seconds(self, step: str) -> Mapping[str, float]:
        """Return the longest time that a step took of late, by device, in seconds: its last five times."""
        rows = (
            "select device, max(seconds) from (select device, seconds, row_number() over"
            " (partition by device order by id desc) as age from steps where step = ? and state = 'done')"
            " where age <= 5 group by device"
        )
        return {device: float(seconds) for device, seconds in self._db.execute(rows, (step,))}

    def _transactions(self, where: str, *values: object) -> tuple[Transaction, ...]:
        columns = "id, opened, owner, ticket, plan, verb, continues, coalesce(texts, x''), coalesce(outcome, '')"
        rows = f"select {columns} from transactions where {where} order by id"  # noqa: S608 - the conditions are ours
        return tuple(Transaction(*row) for row in self._db.execute(rows, values))

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> NetdrError:
        hint = "free space on the controller's disk; without its journal a change is not begun, and one begun is undone"
        return NetdrError("the journal cannot be written", where=str(self._path), why=str(error), hint=hint)


# ---- what the entries do ---------------------------------------------------------------------------------------------


def _open(db: sqlite3.Connection, entry: Entry) -> None:
    names = ("id", "at", "owner", "ticket", "plan", "verb", "continues")
    insert = "insert into transactions (id, opened, owner, ticket, plan, verb, continues) values (?, ?, ?, ?, ?, ?, ?)"
    db.execute(insert, [entry[name] for name in names])


def _keep(db: sqlite3.Connection, entry: Entry) -> None:
    db.execute("update transactions set texts = ? where id = ?", (b64decode(entry["texts"]), entry["id"]))


def _steps(db: sqlite3.Connection, entry: Entry) -> None:
    insert = "insert into steps (transaction_id, at, step, device, state, detail, seconds) values (?, ?, ?, ?, ?, ?, ?)"
    db.executemany(insert, [(entry["id"], entry["at"], *row) for row in entry["rows"]])


def _close(db: sqlite3.Connection, entry: Entry) -> None:
    chain = (
        "with recursive chain (id) as (select ? union select continues from transactions join chain using (id))"
        " update transactions set closed = ?, outcome = ? where id in chain and outcome is null"
    )
    db.execute(chain, (entry["id"], entry["at"], entry["outcome"]))


_APPLY: Mapping[str, Callable[[sqlite3.Connection, Entry], None]] = {
    "open": _open,
    "keep": _keep,
    "steps": _steps,
    "close": _close,
}


def _rows(transaction: int, rows: Iterable[list[object]]) -> Entry:
    return {"kind": "steps", "at": _now(), "id": transaction, "rows": list(rows)}


def _told(outcome: Outcome) -> list[object]:
    state = "done" if outcome.ok else "failed"
    return [outcome.step, outcome.device, state, str(outcome.failure or ""), round(outcome.seconds, 3)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
