"""Carrying a recovery plan out: every step journalled before and after, independent ones side by side."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from backup.recovery.plan import Plan, Step
from netdr.kernel.errors import NetdrError, Problems, RecoveryError

# What a step found out, for the report. JSON values only.
Facts = Mapping[str, object]
# Given the step's time limit in seconds, act within it.
Action = Callable[[float], Facts]
# Seconds between a failure and the next try.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """One finished step: Unix times of its start and end, and its facts or its failure."""

    step: Step
    started: float
    ended: float
    facts: Facts = field(default_factory=dict)
    failure: NetdrError | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the journal: what became of a step (or, with an empty ``step``, of a run) at a Unix time."""

    run: str
    step: str
    state: str
    at: float
    facts: Facts


class Journal:
    """The record of recovery runs: SQLite, on the disk before the step it announces begins."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS step (run TEXT, step TEXT, state TEXT, at REAL, facts TEXT)")
        self._db.execute("CREATE TABLE IF NOT EXISTS run (run TEXT, state TEXT, at REAL, facts TEXT)")

    def write(self, run: str, step: str, state: str, facts: Facts) -> None:
        """Append one row and wait until it is on the disk."""
        row = (run, step, state, time.time(), json.dumps(facts, ensure_ascii=False, default=str))
        with self._lock:
            self._db.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?)", row)

    def note(self, run: str, state: str, facts: Facts) -> None:
        """Append what became of a run as a whole, and wait until it is on the disk."""
        row = (run, state, time.time(), json.dumps(facts, ensure_ascii=False, default=str))
        with self._lock:
            self._db.execute("INSERT INTO run VALUES (?, ?, ?, ?)", row)

    def rows(self, run: str) -> list[tuple[str, str]]:
        """Return (step, state) of one run in the order written."""
        return [(row.step, row.state) for row in self.history(run)]

    def history(self, run: str) -> list[Row]:
        """Return everything noted of one run's steps, in the order written."""
        return self._read("SELECT run, step, state, at, facts FROM step WHERE run = ? ORDER BY rowid", (run,))

    def steps(self) -> list[Row]:
        """Return everything noted of the steps of all runs, in the order written."""
        return self._read("SELECT run, step, state, at, facts FROM step ORDER BY rowid")

    def notes(self) -> list[Row]:
        """Return everything noted of runs as a whole, in the order written; their ``step`` is empty."""
        return self._read("SELECT run, '', state, at, facts FROM run ORDER BY rowid")

    def _read(self, query: str, values: tuple[str, ...] = ()) -> list[Row]:
        with self._lock, closing(self._db.execute(query, values)) as cursor:
            return [Row(run, step, state, at, json.loads(facts)) for run, step, state, at, facts in cursor]

    def close(self) -> None:
        """Close the database."""
        self._db.close()


@dataclass(frozen=True, slots=True)
class Record:
    """Where a run is written down: the journal, the run's id there, and who is told of each step that ended.

    ``wait`` passes the seconds between two tries of a step. ``stop`` ends what is under way, after Ctrl-C;
    from then on ``stopping`` is set and nothing is tried again.
    """

    journal: Journal
    run: str
    tell: Callable[[Done], None]
    wait: Callable[[float], object] = time.sleep
    stop: Callable[[], object] = lambda: None
    stopping: Event = field(default_factory=Event)


def carry_out(
    plan: Plan, actions: Mapping[str, Action], record: Record, *, earlier: Sequence[Done] = (), workers: int = 4
) -> tuple[Done, ...]:
    """Run every step after all it needs, but for those done ``earlier``. Return what was done, in the order it ended.

    Raise Problems if steps failed: steps that do not depend on them have been run, those that do have not. After
    Ctrl-C what is under way is stopped, and journalled as it ended, before KeyboardInterrupt goes on.
    """
    done: dict[str, Done] = {one.step.id: one for one in earlier}
    running: dict[Future[Done], Step] = {}
    with ThreadPoolExecutor(workers) as pool, _stopping(pool, record):
        while True:
            for step in plan.steps:
                taken = step.id in done or step in running.values()
                if not taken and all(need in done and done[need].failure is None for need in step.needs):
                    running[pool.submit(_one, step, actions[step.id], record)] = step
            if not running:
                break
            for future in futures.wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                done[step.id] = future.result()
                record.tell(done[step.id])
    failures = [item.failure for item in done.values() if item.failure]
    if failures:
        left = ", ".join(step.id for step in plan.steps if step.id not in done) or "nothing"
        hint = "mend the cause; netdr dr status says how to go on"
        raise Problems([*failures, RecoveryError(f"not begun: {left}", where=plan.scenario, hint=hint)])
    return tuple(done.values())


@contextmanager
def _stopping(pool: ThreadPoolExecutor, record: Record) -> Iterator[None]:
    """After Ctrl-C in the block, begin nothing more, and stop what is under way."""
    try:
        yield
    except KeyboardInterrupt:
        record.stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
        record.stop()
        raise


def _one(step: Step, action: Action, record: Record) -> Done:
    started = time.time()
    record.journal.write(record.run, step.id, "begun", {})
    try:
        facts = _tried(step, action, record)
    except NetdrError as error:
        record.journal.write(record.run, step.id, "failed", error.as_dict())
        return Done(step, started, time.time(), failure=error)
    record.journal.write(record.run, step.id, "done", facts)
    return Done(step, started, time.time(), facts)


def _tried(step: Step, action: Action, record: Record) -> Facts:
    for _ in range(step.retries):
        try:
            return action(step.limit)
        except NetdrError:
            record.wait(PAUSE)
            if record.stopping.is_set():
                raise
    return action(step.limit)
