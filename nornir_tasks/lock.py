"""One change at a time: a lock on the state folder that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from netdr.kernel.errors import BusyError

FILE = "change.lock"


def owner() -> str:
    """Return who is asking, as ``user@machine``."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def held(state: Path, purpose: str) -> Iterator[str]:
    """Hold the lock of a state folder, and yield who held it last and died with it, or an empty string.

    Raise BusyError, saying who holds it since when and for what, if somebody does.
    """
    path = state / FILE
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            why = f"held by {_holder(file) or 'somebody who has only just come'}"
            raise BusyError("another change is under way", where=str(path), why=why, hint="wait for it") from error
        dead = _holder(file)
        _write(file, json.dumps({"owner": owner(), "pid": os.getpid(), "since": _now(), "purpose": purpose}))
        try:
            yield dead
        finally:
            _write(file, "")
    finally:
        os.close(file)


def _holder(file: int) -> str:
    try:
        value = json.loads(os.pread(file, 4096, 0))
        return f"{value['owner']} (pid {value['pid']}) since {value['since']}: {value['purpose']}"
    except (ValueError, LookupError, TypeError):
        return ""


def _write(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, text.encode(), 0)
    os.fsync(file)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
