"""How fast copies may travel at a time of day: a pure function of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

from backup.restic import Rates
from inventory.asset import RateLimit

# restic's options take KiB/s, the policy is in bit/s.
_BITS = 8 * 1024


def rates(limits: Sequence[RateLimit], now: time) -> Rates:
    """Return the rates for ``now``, the host's local time; of limits that hold together (there are none), the first.

    A limit holds from its start up to, not including, its end, past midnight if the end is earlier.
    """
    for one in limits:
        if holds(one, now):
            return Rates(_kib(one.upload), _kib(one.download))
    return Rates()


def holds(one: RateLimit, now: time) -> bool:
    """Return whether a limit holds at a time of day."""
    start, end = time.fromisoformat(one.start), time.fromisoformat(one.end)
    return start <= now < end if start <= end else now >= start or now < end


def _kib(bits: int | None) -> int | None:
    # Never 0, which restic takes for unlimited.
    return None if bits is None else max(1, bits // _BITS)
