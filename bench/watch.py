"""What every device of a lab has on its disk, looked at from outside: neither netdr nor the network is asked.

A device is ``old`` or ``new`` if its files are those of that side and no commit waits there, ``armed`` if one does,
``other`` if its files are of neither side, ``silent`` without power.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lab import state
from nornir_tasks.drivers.linux_device import File, parse

Device = Literal["old", "new", "armed", "other", "silent"]
Network = Literal["old", "new", "mixed", "unknown"]
_RECORD = "var/lib/netdr/device/commit.json"
_PAUSE_S = 0.1


class Sides:
    """The two configurations between which a change goes, by device."""

    def __init__(self, lab: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        self._lab = lab
        self._files: dict[str, dict[Literal["old", "new"], tuple[File, ...]]] = {
            device: {"old": parse(old[device]), "new": parse(new[device])} for device in old
        }

    def look(self) -> Mapping[str, Device]:
        """Return how every device is."""
        return {device: self._look(device) for device in self._files}

    def _look(self, device: str) -> Device:
        try:
            pid = state.pid_file(self._lab, device).read_text(encoding="ascii").strip()
            root = Path(f"/proc/{pid}/root")
            if not (root / "etc").is_dir():
                return "silent"
            if (root / _RECORD).exists():
                return "armed"
            for side, files in self._files[device].items():
                if all(_reads(root / file.path[1:]) == file.content for file in files):
                    return side
        except OSError:
            return "silent"
        return "other"


def _reads(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def together(devices: Collection[Device]) -> Network:
    """Return how the network is: ``old`` or ``new`` if all devices are so, ``mixed`` if some are each."""
    found = set(devices)
    if found == {"old"}:
        return "old"
    if found == {"new"}:
        return "new"
    return "mixed" if found == {"old", "new"} else "unknown"


class Watch:
    """Looks at the devices again and again while it is entered."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        # Since when the network has been how it is: the last entry is now.
        self._turns: list[tuple[float, Network]] = []

    def __enter__(self) -> Self:
        """Begin."""
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._end.set()
        self._thread.join()

    @property
    def now(self) -> Network:
        """How the network is."""
        return self._turns[-1][1]

    def since(self, begun: float) -> float:
        """Return how many seconds after ``begun`` (``time.monotonic``) the network became what it is now."""
        return max(0.0, self._turns[-1][0] - begun)

    def until_consistent(self, limit_s: float, steady_s: float = 1.0) -> bool:
        """Wait until all devices are of one side and stay so for ``steady_s``. Return whether that came in time."""
        limit = time.monotonic() + limit_s
        while time.monotonic() < limit:
            if self.now in {"old", "new"} and self.since(time.monotonic() - steady_s) == 0.0:
                return True
            time.sleep(_PAUSE_S)
        return False

    def _run(self) -> None:
        while not self._end.wait(_PAUSE_S):
            self._look()

    def _look(self) -> None:
        found = together(self._sides.look().values())
        if not self._turns or self._turns[-1][1] != found:
            self._turns.append((time.monotonic(), found))
