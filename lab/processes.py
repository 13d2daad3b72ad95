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


def processes(lab: str) -> tuple[int, ...]:
    """Return the ids of all processes in a lab's network namespaces or with their root on a lab's disk."""
    inodes = set(_inodes(present(lab)))
    root = re.compile(rf"upperdir={re.escape(str(DISKS / lab))}/")
    return tuple(pid for pid in _pids() if _lives_in(pid, inodes, root))


def in_namespaces(names: Collection[str]) -> tuple[int, ...]:
    """Return the ids of all processes in named network namespaces."""
    inodes = set(_inodes(names))
    return tuple(pid for pid in _pids() if _network(pid) in inodes)


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


def _inodes(names: Collection[str]) -> Iterator[int]:
    for name in names:
        try:
            yield (NAMESPACES / name).stat().st_ino
        except FileNotFoundError:
            continue


def _pids() -> Iterator[int]:
    own = os.getpid()
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and int(entry.name) != own:
            yield int(entry.name)


def _network(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:  # gone, or a zombie, which has no namespaces any more
        return 0


def _lives_in(pid: int, inodes: Collection[int], root: re.Pattern[str]) -> bool:
    network = _network(pid)
    if not network:
        return False
    if network in inodes:
        return True
    try:
        return root.search(Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8")) is not None
    except OSError:
        return False


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+([0-9]+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
