"""A folder for the time of a job. It goes when the job ends; if that was killed, when the next one begins."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def lent(parent: Path, name: str) -> Iterator[Path]:
    """Lend a new folder ``<name>-<random>`` below ``parent``, and take away those of this name that nobody holds.

    Accounts other than root can pass through it to what is theirs: its name is random, its content keeps its modes.
    """
    _sweep(parent, name)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    folder.chmod(0o711)
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Held until this process ends, however that happens (flock(2)).
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep(parent: Path, name: str) -> None:
    # What mkdtemp(3) adds.
    ours = re.compile(rf"{re.escape(name)}-[a-z0-9_]{{8}}")
    for path in parent.iterdir():
        if ours.fullmatch(path.name):
            with suppress(OSError):
                _remove_unheld(path)


def _remove_unheld(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
