"""Which base backups are kept, and which log nobody will ever need again. Pure but for ``prune``.

The stream is for the near past: the newest ``last`` base backups and one a day for ``daily`` days, with all log since
the oldest of them. What is older is in the snapshots, of which weeks and months are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.report import Steps
from backup.retention import Point, choose
from backup.stream import link, wal
from backup.stream.archive import Archive, Base, Stretch
from backup.stream.wal import Segment
from inventory.asset import Retention

PROVEN = "the newest proven"


@dataclass(frozen=True, slots=True)
class Surplus:
    """What can go: base backups by id, files of log by name."""

    bases: tuple[str, ...]
    files: tuple[str, ...]


def keep(bases: Sequence[Base], rule: Retention, pinned: Mapping[str, str]) -> Mapping[str, str]:
    """Return the base backups that are kept, each with the one reason that counts first: see ``retention.choose``.

    Their times are this host's own; of the rule, ``last`` and ``daily`` count.
    """
    near = Retention(last=rule.last, daily=rule.daily)
    return choose([Point(one.id, one.ended) for one in bases], near, pinned).keep


def surplus(bases: Sequence[Base], kept: Mapping[str, str], found: Sequence[Segment], size: int) -> Surplus:
    """Return what can go of one stretch, oldest first: of log only what is older than the oldest base that is kept.

    Without a base that is kept nothing can be recovered from the log, so all of it can go.
    """
    staying = [one for one in bases if one.id in kept]
    going = tuple(one.id for one in bases if one.id not in kept)
    if not staying:
        return Surplus(going, tuple(one.name(size) for one in found))
    return Surplus(going, wal.before(found, min(one.start for one in staying), size))


def prune(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Remove what is surplus of the stream an asset's databases come by; return ``kept`` (why, by id) and ``removed``.

    All assets that share the stream are served, and the newest base backup that was proven stays. The stretch that is
    being received is never removed; an older one goes as a whole with its last base backup. Raise BusyError if a
    recovery reads the archive.
    """
    archive = Archive(link.of_duty(machine.layout, duty).top)
    sharing = [one for one in machine.book.duties.values() if link.streamed(one) and one.asset.home == duty.asset.home]
    rule = most_generous([one.protection.retention for one in sharing])
    pinned = dict.fromkeys(filter(None, (_proven(machine.ledger(one.asset.id).lines()) for one in sharing)), PROVEN)
    gone: list[str] = []
    with archive.removing(), steps.step("remove what is surplus of the stream"):
        stretches = archive.stretches()
        kept = keep([one for stretch in stretches for one in stretch.bases()], rule, pinned)
        for stretch in stretches:
            gone += _remove(archive, stretch, kept, newest=stretch == stretches[-1])
    return {"kept": dict(kept), "removed": gone}


def _proven(lines: Sequence[Line]) -> str:
    passed = [line.facts["base"] for line in lines if line.kind == "base" and line.facts.get("result") == "passed"]
    return max(passed, default="")


def _remove(archive: Archive, stretch: Stretch, kept: Mapping[str, str], *, newest: bool) -> list[str]:
    bases = stretch.bases()
    if newest and not bases:
        # It has just begun: its first base backup is on its way and needs this log.
        return []
    excess = surplus(bases, kept, stretch.segments(), stretch.segment)
    for name in excess.bases:
        stretch.remove(name)
    for name in excess.files:
        (stretch.wal / name).unlink(missing_ok=True)
    removed = [*excess.bases, *excess.files]
    if not newest and not stretch.bases():
        archive.remove(stretch)
        removed.append(stretch.id)
    return removed


def most_generous(rules: Sequence[Retention]) -> Retention:
    """Return the rule that keeps all that any of the rules keeps."""
    return Retention(last=max(rule.last for rule in rules), daily=max(rule.daily for rule in rules))
