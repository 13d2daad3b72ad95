"""What runs on a worker of a cluster: the jobs of one controller's fleet, each of them at most once."""

from __future__ import annotations

import hashlib
import threading
import time
from functools import cache
from pathlib import Path

from netdr.kernel.errors import UnreachableError
from nornir_tasks.runners import wire
from nornir_tasks.runners.job import Job, Reply, Sessions

# Seconds after which the connections of a controller that died without a word are closed when the next one comes.
_IDLE = 900.0


class _Desk:
    """One fleet's connections at this worker, and the jobs that were begun."""

    def __init__(self) -> None:
        self.sessions = Sessions()
        self.used = time.monotonic()
        self._lock = threading.Lock()
        self._begun: set[int] = set()

    def first_time(self, number: int) -> bool:
        """Return whether a job was never begun here, and take note that it is now."""
        with self._lock:
            self.used = time.monotonic()
            new = number not in self._begun
            self._begun.add(number)
        return new


_DESKS: dict[str, _Desk] = {}


def enrol(fleet: str) -> str:
    """Make this process a worker of a fleet, and return which netdr it runs (``program``)."""
    for other, desk in tuple(_DESKS.items()):
        if time.monotonic() - desk.used > _IDLE:
            release(other)
    _DESKS.setdefault(fleet, _Desk())
    return program()


def do(fleet: str, number: int, data: bytes) -> bytes:
    """Do a job of a fleet, and return its reply.

    A process that was not enrolled has taken another's place, and a job that was begun before is one that a scheduler
    gives out again: neither is done, because a step may change a device.
    """
    desk, job = _DESKS.get(fleet), _unpacked(data)
    if desk is None or not desk.first_time(number):
        why = "it was restarted" if desk is None else "this step was begun there before"
        return wire.pack(Reply(job.target.device, failure=UnreachableError("its worker is lost", why=why)))
    return wire.reply(desk.sessions.do(job))


def _unpacked(data: bytes) -> Job:
    job: Job = wire.unpack(data)
    return job


def release(fleet: str) -> None:
    """Close a fleet's connections. It takes a while and is not waited for."""
    if desk := _DESKS.pop(fleet, None):
        threading.Thread(target=desk.sessions.close, daemon=True).start()


@cache
def program() -> str:
    """Return the hash of the engine's code: controller and worker exchange its objects, so they must have the same."""
    folder = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()
