"""Time as an argument: the engine waits by this clock, and tests bring their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Seconds from an arbitrary start, never going back."""

    def now(self) -> float:
        """Return the time in seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's monotonic clock, which a change of the date does not move."""

    def now(self) -> float:
        """See Clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(seconds)


def wait_until(clock: Clock, deadline: float, done: Callable[[], bool], pause: float = 0.5) -> bool:
    """Call ``done`` until it returns true or the deadline has passed, and return whether it did; once at least."""
    while not done():
        if clock.now() >= deadline:
            return False
        clock.sleep(min(pause, max(0.0, deadline - clock.now())))
    return True
