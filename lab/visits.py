"""What users met: the log of their visits, and the outage and loss that follow from it. Pure but for reading the log.

A log has one JSON object per line: ``t`` (seconds since the epoch, the end of the attempt), ``unit``, ``service``,
``ok``, and ``id`` and ``seq`` for an acknowledged write, ``why`` for a failure. Every acknowledged write has a line;
other attempts only when they end differently from the one before: the first failure and the first success are there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from netdr.kernel.errors import LabError


@dataclass(frozen=True, slots=True)
class Visit:
    """One attempt of a unit's user: ``ok`` with the ``id`` of what was written, or not, and ``why``."""

    t: float
    unit: str
    service: str
    ok: bool
    id: str = ""
    seq: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a service's users lost when it failed.

    ``rto_s`` has, for each unit, the seconds from the failure to its first success after a failed visit: 0 for one that
    noticed nothing, None for one that still waits. ``rpo_s`` is the time from the newest acknowledged write that
    survived to the failure: 0 if none was lost, None if none survived. ``lost`` are the acknowledged ids that are gone.
    """

    rto_s: Mapping[str, float | None]
    rpo_s: float | None
    lost: tuple[str, ...]

    @property
    def worst_rto_s(self) -> float | None:
        """The longest time a unit waited; None if one still waits."""
        waited = [seconds for seconds in self.rto_s.values() if seconds is not None]
        return max(waited, default=0.0) if len(waited) == len(self.rto_s) else None


def read(path: Path) -> tuple[Visit, ...]:
    """Return the visits in the log, in the order they ended. A last line cut short by a crash is left out.

    Raise LabError, with the line's number, if another line is broken.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = lines[:-1] if lines and not lines[-1].endswith("\n") else lines
    return tuple(_visit(path, number, line) for number, line in enumerate(whole, 1))


def _visit(path: Path, number: int, line: str) -> Visit:
    try:
        return Visit(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise LabError("not a line of a log of visits", where=f"{path}:{number}", why=str(error)) from None


def acknowledged(visits: Iterable[Visit], service: str) -> tuple[Visit, ...]:
    """Return the visits in which the service acknowledged a write."""
    return tuple(visit for visit in visits if visit.service == service and visit.id)


def lost(visits: Iterable[Visit], service: str, survived: Collection[str]) -> tuple[str, ...]:
    """Given a log and the ids that the service's database holds, return the acknowledged ones that it does not."""
    return tuple(visit.id for visit in acknowledged(visits, service) if visit.id not in survived)


def loss(visits: Iterable[Visit], service: str, failed_at: float, survived: Collection[str]) -> Loss:
    """Given a log, when the service failed and the ids that its database holds afterwards, return what was lost."""
    mine = [visit for visit in visits if visit.service == service]
    gone = lost(mine, service, survived)
    kept = [visit.t for visit in acknowledged(mine, service) if visit.t <= failed_at and visit.id in survived]
    point = failed_at - max(kept) if kept else None
    units = dict.fromkeys(visit.unit for visit in mine)
    return Loss(
        rto_s={unit: _recovery(_of(mine, unit), failed_at) for unit in units},
        rpo_s=point if gone else 0.0,
        lost=gone,
    )


def _of(visits: Iterable[Visit], unit: str) -> Iterator[Visit]:
    return (visit for visit in visits if visit.unit == unit)


def _recovery(visits: Iterable[Visit], failed_at: float) -> float | None:
    """Return the seconds from the failure to the first success that follows a failed attempt."""
    failing = False
    for visit in visits:
        if visit.t > failed_at and visit.ok and failing:
            return visit.t - failed_at
        # A unit may notice before the one who stopped the service says when that was.
        failing = not visit.ok if visit.t <= failed_at else failing or not visit.ok
    return None if failing else 0.0
