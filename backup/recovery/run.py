"""Carrying a recovery plan out: every step journalled before and after, independent ones side by side."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

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


class Journal:
    """The record of recovery runs: SQLite, on the disk before the step it announces begins."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS step (run TEXT, step TEXT, state TEXT, at REAL, facts TEXT)")

    def write(self, run: str, step: str, state: str, facts: Facts) -> None:
        """Append one row and wait until it is on the disk."""
        row = (run, step, state, time.time(), json.dumps(facts, ensure_ascii=False, default=str))
        with self._lock:
            self._db.execute("INSERT INTO step VALUES (?, ?, ?, ?, ?)", row)

    def rows(self, run: str) -> list[tuple[str, str]]:
        """Return (step, state) of one run in the order written."""
        with self._lock, closing(self._db.execute("SELECT step, state FROM step WHERE run = ?", (run,))) as cursor:
            return list(cursor)

    def close(self) -> None:
        """Close the database."""
        self._db.close()


@dataclass(frozen=True, slots=True)
class Record:
    """Where a run is written down: the journal, the run's id there, and who is told of each step that ended.

    ``wait`` passes the seconds between two tries of a step.
    """

    journal: Journal
    run: str
    tell: Callable[[Done], None]
    wait: Callable[[float], object] = time.sleep


def carry_out(plan: Plan, actions: Mapping[str, Action], record: Record, workers: int = 4) -> tuple[Done, ...]:
    """Run every step after all it needs. Return what was done, in the order it ended.

    Raise Problems if steps failed: steps that do not depend on them have been run, those that do have not.
    """
    done: dict[str, Done] = {}
    running: dict[Future[Done], Step] = {}
    with ThreadPoolExecutor(workers) as pool:
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
        hint = "mend the cause and run the same command again: finished steps are safe to repeat"
        raise Problems([*failures, RecoveryError(f"not begun: {left}", where=plan.scenario, hint=hint)])
    return tuple(done.values())


def _one(step: Step, action: Action, record: Record) -> Done:
    started = time.time()
    record.journal.write(record.run, step.id, "begun", {})
    try:
        facts = _tried(step, action, record.wait)
    except NetdrError as error:
        record.journal.write(record.run, step.id, "failed", error.as_dict())
        return Done(step, started, time.time(), failure=error)
    record.journal.write(record.run, step.id, "done", facts)
    return Done(step, started, time.time(), facts)


def _tried(step: Step, action: Action, wait: Callable[[float], object]) -> Facts:
    for _ in range(step.retries):
        try:
            return action(step.limit)
        except NetdrError:
            wait(PAUSE)
    return action(step.limit)
