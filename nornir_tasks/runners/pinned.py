"""Devices spread over workers that are other processes, each device at one worker as long as that lives.

A worker holds its devices' connections and candidates. One that dies or hangs is to its devices what a cut connection
is: each fails with UnreachableError, and is connected to from another worker in the next step.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, Task

from netdr.kernel.errors import NetdrError, UnreachableError
from nornir_tasks.runners import wire
from nornir_tasks.runners.job import Job, Order, Reply

# Seconds within which a worker that has work must say something. Twice what a driver gives a device for one answer:
# longer, and the devices' own timers would end first.
PATIENCE = 120.0
# Seconds between two looks at whether the workers still live.
_TICK = 0.5
# Of jobs: never the same twice in this process, whichever runner sends to whichever pool.
_NUMBERS = itertools.count(1)


class Pool(Protocol):
    """Processes that do jobs. None of the methods waits for a worker for longer than a few seconds."""

    def workers(self) -> Sequence[str]:
        """Return the names of the workers that can be given work, started if need be; one at least.

        Raise UnreachableError if there is none.
        """

    def send(self, worker: str, jobs: Mapping[int, bytes]) -> None:
        """Give a worker jobs by number, numbers never used before. Whether they arrive shows in ``heard`` and ``lost``.

        No job may ever be done twice, or by another worker: most of them change a device.
        """

    def heard(self, limit: float) -> Sequence[tuple[int, bytes | str]]:
        """Return the replies that came, each with its job's number; wait ``limit`` seconds for the first.

        A text instead of bytes says why there will be none.
        """

    def lost(self, workers: Collection[str]) -> Mapping[str, str]:
        """Return those of these workers that are gone, each with what is known of why."""

    def abandon(self, worker: str) -> None:
        """Never use a worker again that hangs, and end it if possible."""

    def close(self) -> None:
        """Close the workers' connections. What is pending on devices stays pending."""


@dataclass(frozen=True, slots=True)
class _Sent:
    device: str
    worker: str


class Pinned:
    """A runner for Nornir over a pool. ``patience``: see PATIENCE."""

    def __init__(self, pool: Pool, patience: float = PATIENCE) -> None:
        self.pool, self._patience = pool, patience
        self._pins: dict[str, str] = {}

    def run(self, task: Task, hosts: list[Host]) -> AggregatedResult:
        """Do the task's order on hosts, all at once. The result is empty: the order's ``tell`` gets the replies."""
        order = cast("Order[Any]", task.params["order"])  # Nornir says that its parameters are texts
        waiting = self._send(hosts, order)
        heard = dict.fromkeys((sent.worker for sent in waiting.values()), time.monotonic())
        while waiting:
            for number, data in self.pool.heard(_TICK):
                sent = waiting.pop(number, None)
                if sent:  # else it is of a step that was given up
                    heard[sent.worker] = time.monotonic()
                    order.tell(self._lost(sent.device, data) if isinstance(data, str) else wire.unpack(data))
            for worker, why in self._gone({sent.worker for sent in waiting.values()}, heard).items():
                for number in [number for number, sent in waiting.items() if sent.worker == worker]:
                    order.tell(self._lost(waiting.pop(number).device, why))
        return AggregatedResult(task.name)

    def close(self) -> None:
        """End the pool."""
        self.pool.close()

    def _send(self, hosts: Sequence[Host], order: Order[Any]) -> dict[int, _Sent]:
        """Give every host's worker its job, and return what to wait for; who cannot be served is told of at once."""
        sent: dict[int, _Sent] = {}
        jobs: dict[str, dict[int, bytes]] = {}
        try:
            workers = self.pool.workers()
            load = Counter(worker for worker in self._pins.values() if worker in workers)
        except NetdrError as failure:
            for host in hosts:
                order.tell(Reply(host.name, failure=UnreachableError("no worker to reach it from", why=str(failure))))
            return {}
        for host in hosts:
            if self._pins.get(host.name, workers[0]) not in workers:
                # Its connection and candidate are gone, which is for the step to know, not to stumble over.
                order.tell(self._lost(host.name, "it ended since the last step"))
                continue
            try:
                job = wire.pack(Job.of(host, order.action))
            except NetdrError as failure:
                order.tell(Reply(host.name, failure=failure))
                continue
            number, worker = next(_NUMBERS), self._pin(host.name, workers, load)
            jobs.setdefault(worker, {})[number] = job
            sent[number] = _Sent(host.name, worker)
        for worker, its in jobs.items():
            self.pool.send(worker, its)
        return sent

    def _pin(self, device: str, workers: Sequence[str], load: Counter[str]) -> str:
        """Return the worker of a device: the one it has, or the one with the fewest devices."""
        if device not in self._pins:
            self._pins[device] = min(workers, key=lambda worker: load[worker])
            load[self._pins[device]] += 1
        return self._pins[device]

    def _gone(self, busy: Collection[str], heard: Mapping[str, float]) -> Mapping[str, str]:
        """Return the workers that died, and those that have said nothing for too long, each with why."""
        lost = self.pool.lost(busy)
        limit = time.monotonic() - self._patience
        silent = [worker for worker in busy if worker not in lost and heard[worker] < limit]
        for worker in silent:
            self.pool.abandon(worker)
        return {**lost, **dict.fromkeys(silent, f"it has said nothing for {self._patience:.0f} s")}

    def _lost(self, device: str, why: str) -> Reply:
        """Return the failure of a device whose worker is lost; the next step may give it to another."""
        worker = self._pins.pop(device)
        hint = "the next step connects to it from another worker"
        return Reply(device, failure=UnreachableError(f"its worker {worker} is lost", where=device, why=why, hint=hint))
