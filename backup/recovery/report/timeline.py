"""The steps of a run as bars over time, for the page to draw. Pure: only numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backup.recovery.report.record import Report
from inventory.entry import Name

# In the drawing's own units: where the bars begin, how long the time is, how high a row is.
LEFT, LENGTH, ROW = 360.0, 640.0, 20.0
# Seconds between two marks on the axis; the first that gives at most MARKS of them.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
MARKS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """One step: its place in the drawing, its phase, and how long it took in seconds."""

    title: Name
    phase: str
    x: float
    y: float
    width: float
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """The drawing: bars in the order they began, marks of the axis as (x, seconds since ``zero``), and its size.

    ``left``: where the time begins.
    """

    zero: float
    left: float
    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, float], ...]
    width: float
    height: float


def timeline(report: Report) -> Timeline:
    """Return the drawing of a run. It begins with the loss, or with the first step if that is later than all took.

    Else hours in which nobody was there would leave nothing of the steps to be seen.
    """
    done = sorted(report.steps, key=lambda item: (item.started, item.ended))
    first = min((item.started for item in done), default=report.lost_at)
    last = max((item.ended for item in done), default=report.lost_at)
    zero = report.lost_at if first - report.lost_at <= last - first else first
    scale = LENGTH / max(last - zero, 0.001)
    bars = tuple(
        Bar(
            title=item.step.title,
            phase=item.step.phase,
            x=round(LEFT + max(0.0, item.started - zero) * scale, 1),
            y=ROW * (number + 1),
            width=round(max(1.0, (item.ended - max(item.started, zero)) * scale), 1),
            seconds=item.ended - item.started,
            failed=item.failure is not None,
        )
        for number, item in enumerate(done)
    )
    marks = tuple((round(LEFT + at * scale, 1), at) for at in _marks(last - zero, _STEPS))
    return Timeline(zero, LEFT, bars, marks, LEFT + LENGTH + 60, ROW * (len(bars) + 2))


def _marks(seconds: float, steps: Sequence[float]) -> tuple[float, ...]:
    step = next((step for step in steps if seconds / step <= MARKS), steps[-1])
    return tuple(round(number * step, 3) for number in range(int(seconds / step) + 1))
