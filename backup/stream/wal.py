"""The write-ahead log by the names of its files: positions, segments, and what is missing between them.

PostgreSQL manual, "WAL Internals": a segment's name is its timeline, then its place in the log, in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from netdr.kernel.errors import BackupError

# What pg_receivewal calls the segment that it is still writing.
PARTIAL = ".partial"
_NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
_FILE = 1 << 32


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log. ``number`` counts segments from the log's beginning; ``whole``: nothing will be added."""

    timeline: int
    number: int
    whole: bool = True

    def name(self, size: int) -> str:
        """Return the name of its file. ``size`` is that of a segment in bytes."""
        high, low = divmod(self.number, _FILE // size)
        return f"{self.timeline:08X}{high:08X}{low:08X}{'' if self.whole else PARTIAL}"


def position(text: str) -> int:
    """Return a log sequence number (``16/B374D848``) as bytes since the beginning. Raise BackupError for others."""
    high, _, low = text.partition("/")
    try:
        return (int(high, 16) << 32) + int(low, 16)
    except ValueError:
        raise BackupError(f"'{text}' is no position in a write-ahead log") from None


def written(place: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"


def segments(names: Iterable[str], size: int) -> tuple[Segment, ...]:
    """Return the segments among file names, in the order of the log; other files are left out."""
    found = []
    for name in names:
        match = _NAME.fullmatch(name.removesuffix(PARTIAL))
        if match:
            timeline, high, low = (int(part, 16) for part in match.groups())
            found.append(Segment(timeline, high * (_FILE // size) + low, not name.endswith(PARTIAL)))
    return tuple(sorted(found, key=lambda one: (one.number, one.timeline, one.whole)))


def missing(found: Iterable[Segment], timeline: int, start: int, size: int) -> tuple[str, ...]:
    """Return the names of the segments that are not there between the position ``start`` and the newest one.

    A timeline that begins later goes on where the one before it ended, so numbers are what must be without a gap; a
    missing segment is named as the timeline of the segment before it would. A segment that is still being written
    counts only as the newest.
    """
    numbers = {one.number: one for one in found if one.whole}
    newest = max((one.number for one in found), default=start // size)
    names = []
    for number in range(start // size, newest):
        if number in numbers:
            timeline = max(timeline, numbers[number].timeline)
        else:
            names.append(Segment(timeline, number).name(size))
    return tuple(names)


def before(found: Iterable[Segment], start: int, size: int) -> tuple[str, ...]:
    """Return the names of the whole segments that a recovery beginning at the position ``start`` never reads."""
    return tuple(one.name(size) for one in found if one.whole and one.number < start // size)
