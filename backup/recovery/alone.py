"""Only one recovery at a time on a controller: a lock that the kernel takes away from whoever dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from netdr.kernel.errors import BusyError


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file while the block runs. Raise BusyError, saying who holds it for what, if that is taken.

    Who holds it is alive: the kernel frees the lock with its last process, however that ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError("another recovery runs here", why=_holder(path), hint="wait until it has ended") from None
        value = {"what": what, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.truncate(handle, 0)
        os.pwrite(handle, json.dumps(value).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    """Return who holds the lock, as it has written; it may be about to."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return f"{value['what']}, process {value['pid']}, since {value['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "it has just begun"
