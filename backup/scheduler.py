"""The embedded scheduler, for hosts without systemd: it begins what is due, two jobs at a time, until it is stopped."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from backup import schedule
from backup.host import LimitError, Shell, stop_all
from backup.machine import Machine
from backup.report import Progress
from backup.repository import write_private
from backup.schedule import Job, Past
from netdr.kernel.errors import BusyError, NetdrError

AT_ONCE = 2
# Seconds between two looks at the clock.
TICK = 1.0
_MEMORY = "schedule.json"


@dataclass
class Scheduler:
    """Runs a machine's jobs as programs of their own, as a timer would: ``netdr backup VERB ASSET --here``.

    ``shell`` runs them. What ran when is kept in a file, so a restart repeats nothing and forgets nothing.
    """

    machine: Machine
    shell: Shell
    tell: Progress
    _past: dict[str, Past] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Begin jobs as they fall due until ``stop`` says so or Ctrl-C; return how many were run.

        Raise BusyError if another scheduler is at work on this host.
        """
        count = 0
        with self.machine.alone(self.machine.book.host, "scheduler"), ThreadPoolExecutor(AT_ONCE) as pool:
            self._past = remembered(self.machine)
            running: set[str] = set()
            found = schedule.jobs(self.machine.book)
            try:
                while not stop():
                    ready = [job for job in self._due(found) if job.name not in running]
                    for job in ready[: AT_ONCE - len(running)]:
                        running.add(job.name)
                        count += 1
                        pool.submit(self._one, job, running)
                    time.sleep(TICK)
            except KeyboardInterrupt:
                self._stopped.set()
                stop_all()
        return count

    def _due(self, found: tuple[Job, ...]) -> tuple[Job, ...]:
        with self._lock:
            return schedule.due(found, self._past, self.machine.clock())

    def _one(self, job: Job, running: set[str]) -> None:
        began = self.machine.clock()
        words = self._outcome(job)
        if self._stopped.is_set():
            # Neither done nor failed: it is due when the scheduler begins again.
            self.tell(f"{job.name} … stopped")
            return
        with self._lock:
            self._past[job.name] = Past(began, not words)
            _remember(self.machine, self._past)
            running.discard(job.name)
        self.tell(f"{job.name} … {words or 'done'}")

    def _outcome(self, job: Job) -> str:
        """Run a job; return nothing if it did all it should, else why not."""
        program = str(Path(sys.executable).with_name("netdr"))
        argv = [program, *job.words, "--json"]
        try:
            result = self.shell.run(argv, limit=max(3600.0, 2.0 * job.every))
        except (LimitError, NetdrError) as error:
            return str(error)
        if result.code == BusyError.exit_code:
            return "another one is at it"
        return "" if result.code == 0 else f"failed ({result.code}): {result.last_words}"


def remembered(machine: Machine) -> dict[str, Past]:
    """Return how each job of the host's scheduler went the last time; an unreadable memory is an empty one."""
    path = machine.layout.state / _MEMORY
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {name: Past(datetime.fromisoformat(one["began"]), bool(one["ok"])) for name, one in value.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        # Every job is then due at once, which is safe.
        return {}


def _remember(machine: Machine, past: Mapping[str, Past]) -> None:
    value = {name: {"began": one.began.isoformat(), "ok": one.ok} for name, one in past.items()}
    write_private(machine.layout.state / _MEMORY, json.dumps(value, indent=1) + "\n")
