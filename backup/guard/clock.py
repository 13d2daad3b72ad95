"""The clock that leases are measured by: seconds since the machine booted, also while it was suspended."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def now() -> float:
    """Return the seconds since this machine booted; nobody can set this clock (CLOCK_BOOTTIME, clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot() -> str:
    """Return which boot of this machine ``now`` counts from (random(4))."""
    return _BOOT.read_text(encoding="ascii").strip()
