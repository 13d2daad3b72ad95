"""Find a lab's processes by the namespaces they live in, never by what they are called."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from lab.state import DISKS
from lab.wiring import NAMESPACES, present

_PROC = Path("/proc")

# A namespace is the same one if device and inode of its file are (namespaces(7)).
Namespace = tuple[int, int]


def processes(lab: str) -> tuple[int, ...]:
    """Return the ids of all processes in a lab's network namespaces or with their root on a lab's disk."""
    networks, roots = set(_named(present(lab))), _Roots(lab)
    return tuple(pid for pid in _pids() if _of(pid, "net") in networks or roots.has(pid))


def in_namespaces(names: Collection[str]) -> tuple[int, ...]:
    """Return the ids of all processes in named network namespaces."""
    wanted = set(_named(names))
    return tuple(pid for pid in _pids() if _of(pid, "net") in wanted)


def kill(pids: Collection[int]) -> None:
    """Send SIGKILL to all; those that are gone already do not matter."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def end_all(lab: str, limit_s: float = 10.0) -> None:
    """Kill a lab's processes and wait until none is left, or ``limit_s`` have passed."""
    limit = time.monotonic() + limit_s
    while (found := processes(lab)) and time.monotonic() < limit:
        kill(found)
        time.sleep(0.05)


def memory(pids: Collection[int]) -> int:
    """Return the bytes of memory that processes use, shared pages counted once (PSS, proc(5))."""
    return sum(_proportional(pid) for pid in pids)


def _named(names: Collection[str]) -> Iterator[Namespace]:
    return (found for name in names if (found := _identity(NAMESPACES / name)))


def _pids() -> Iterator[int]:
    own = os.getpid()
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and int(entry.name) != own:
            yield int(entry.name)


def _of(pid: int, kind: str) -> Namespace | None:
    """Return a process's namespace, None if it has none: it is gone, or a zombie."""
    return _identity(Path(f"/proc/{pid}/ns/{kind}"))


def _identity(path: Path) -> Namespace | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class _Roots:
    """Tells whose root is on a lab's disk. Processes that share their mounts are looked at once."""

    def __init__(self, lab: str) -> None:
        self._own = re.compile(rf"upperdir={re.escape(str(DISKS / lab))}/")
        self._known = {None: False, _of(os.getpid(), "mnt"): False}

    def has(self, pid: int) -> bool:
        """Return whether a process has its root on the lab's disk."""
        mounts = _of(pid, "mnt")
        if mounts not in self._known:
            try:
                text = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8")
            except OSError:
                return False
            self._known[mounts] = self._own.search(text) is not None
        return self._known[mounts]


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+([0-9]+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
