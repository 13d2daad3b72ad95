"""Processes of this machine: as many as it has processors, because one Python process uses only one of them."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import struct
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from nornir_tasks.runners import wire
from nornir_tasks.runners.job import Sessions
from nornir_tasks.runners.threads import WIDTH

_NUMBER = struct.Struct("!Q")
# Seconds that a process has to close its connections at the end.
_FAREWELL = 10.0


class _Worker:
    """A process and the pipe to it. A thread does the sending: a process that hangs must not hold up who sends."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process, self.pipe = process, pipe
        self._jobs: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def send(self, data: bytes | None) -> None:
        """Send data sooner or later; None closes the pipe behind what was sent."""
        self._jobs.put(data)

    def _send(self) -> None:
        with suppress(OSError):  # it is gone, which whoever listens to it finds out
            while (data := self._jobs.get()) is not None:
                self.pipe.send_bytes(data)
            self.pipe.send_bytes(b"")

    def end(self, limit: float) -> None:
        """Wait for the process to end by itself, for ``limit`` seconds; then end it."""
        self.process.join(limit)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(_FAREWELL)
        self.send(None)
        self._sender.join(_FAREWELL)
        self.pipe.close()


class Processes:
    """A pool of processes; one that died is replaced when there is work again."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or max(2, os.cpu_count() or 1)
        # A server that has loaded everything once and forks: quick to start, and no lock of ours is copied half-held.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, "nornir_tasks.connect", "nornir_tasks.drivers.linux"])
        self._workers: dict[str, _Worker] = {}

    def workers(self) -> Sequence[str]:
        """See Pool."""
        while len(self._workers) < self._count:
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=serve, args=(theirs,), name="netdr-worker", daemon=True)
            process.start()
            theirs.close()
            self._workers[f"process {process.pid}"] = _Worker(process, ours)
        return tuple(self._workers)

    def send(self, worker: str, jobs: Mapping[int, bytes]) -> None:
        """See Pool."""
        for number, job in jobs.items():
            self._workers[worker].send(_NUMBER.pack(number) + job)

    def heard(self, limit: float) -> Sequence[tuple[int, bytes]]:
        """See Pool."""
        pipes = {worker.pipe: name for name, worker in self._workers.items()}
        found = []
        for pipe in wait(list(pipes), limit):
            assert isinstance(pipe, Connection)  # noqa: S101 - no other kind is waited for
            try:
                data = pipe.recv_bytes()
            except (EOFError, OSError):
                self._workers[pipes[pipe]].process.join(1.0)
            else:
                found.append((_NUMBER.unpack_from(data)[0], data[_NUMBER.size :]))
        return found

    def lost(self, workers: Collection[str]) -> Mapping[str, str]:
        """See Pool."""
        dead = [name for name in workers if name not in self._workers or not self._workers[name].process.is_alive()]
        return {name: self._bury(name) for name in dead}

    def abandon(self, worker: str) -> None:
        """See Pool."""
        if found := self._workers.pop(worker, None):
            found.process.kill()
            found.end(_FAREWELL)

    def close(self) -> None:
        """See Pool."""
        for worker in self._workers.values():
            worker.send(None)
        for worker in self._workers.values():
            worker.end(_FAREWELL)
        self._workers.clear()

    def _bury(self, name: str) -> str:
        if not (worker := self._workers.pop(name, None)):
            return "it has ended"
        worker.end(0.0)
        code = worker.process.exitcode or 0
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def serve(pipe: Connection) -> None:
    """Do jobs until the pipe ends: then the controller is done, or dead, and the devices' own timers are left."""
    # Ctrl-C and the end of the terminal are for the controller, which then ends the change in order.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions, lock = Sessions(), threading.Lock()

    def answer(data: bytes) -> None:
        reply = wire.reply(sessions.do(wire.unpack(data[_NUMBER.size :])))
        with lock, suppress(OSError):
            pipe.send_bytes(data[: _NUMBER.size] + reply)

    pool = ThreadPoolExecutor(WIDTH)
    with suppress(EOFError, OSError):
        while data := pipe.recv_bytes():
            pool.submit(answer, data)
    pool.shutdown(cancel_futures=True)
    sessions.close()
