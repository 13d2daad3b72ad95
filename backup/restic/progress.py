"""How far restic is: read from its JSON where the version prints it, else from what the kernel counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Tell = Callable[[str], None]
Clock = Callable[[], float]

# Seconds between two lines.
EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Status:
    """So many bytes of so many are done after so many seconds. ``total`` is 0 while nobody knows."""

    done: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second so far."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take at this rate, None while nobody can say."""
        return (self.total - self.done) / self.rate if self.rate and self.total >= self.done else None

    def __str__(self) -> str:
        """Return it for a person: how much, how fast, how long it will go on."""
        share = f"{min(1, self.done / self.total):.0%} of {_size(self.total)}" if self.total else _size(self.done)
        left = f", {self.left:.0f} s left" if self.total and self.left is not None else ""
        return f"{share}, {_size(self.rate)}/s{left}"


def parse(line: str, seconds: float) -> Status | None:
    """Given a line that ``backup`` or ``restore`` printed with ``--json``, return the status in it, None if none is.

    ``seconds``: since its start, as the wall clock says; 0.14 rounds it to whole seconds.
    """
    if not line.startswith('{"message_type":"status"'):
        return None
    try:
        value: Mapping[str, object] = json.loads(line)
        done = value.get("bytes_done", value.get("bytes_restored", 0))
        return Status(int(str(done)), int(str(value.get("total_bytes", 0))), seconds)
    except ValueError:
        return None


@dataclass
class Reader:
    """Tells a line of progress from restic's own status lines, at most one each ``EVERY`` seconds."""

    tell: Tell
    clock: Clock = time.monotonic
    begun: float | None = None
    said: float = 0.0

    def hear(self, line: str) -> None:
        """Take a line that restic printed; the first one starts the clock."""
        now = self.clock()
        if self.begun is None:
            self.begun = self.said = now
        status = parse(line, now - self.begun) if now - self.said >= EVERY else None
        if status:
            self.said = now
            self.tell(str(status))


@dataclass
class Meter:
    """Tells a line of progress each ``EVERY`` seconds from what a process has written so far (proc(5), ``wchar``).

    For a restore that is what lies on the disk, for a copy what went to the server. ``total``: bytes expected, 0 if
    nobody knows.
    """

    tell: Tell
    total: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self, pid: int) -> None:
        """Watch a process until ``end`` is called or it has gone."""
        threading.Thread(target=self._watch, args=(Path(f"/proc/{pid}/io"),), daemon=True).start()

    def end(self) -> None:
        """Say nothing more."""
        self.over.set()

    def _watch(self, path: Path) -> None:
        begun = time.monotonic()
        while not self.over.wait(EVERY):
            done = written(path)
            if done is None:
                return
            self.tell(str(Status(done, self.total, time.monotonic() - begun)))


def written(path: Path) -> int | None:
    """Return the bytes that a process has written, given its ``io`` file in /proc; None if it has gone."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), None)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
