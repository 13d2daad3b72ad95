"""When each snapshot came to the DR site, by that site's own clock: the only times that retention believes.

A snapshot says itself when it was made, and whoever holds the home host can say what he likes. What claims to be made
after it came, or long before others that were there first, is quarantined: it is kept, but never counts for the RPO, is
never the latest, and never a reason to forget another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backup import snapshots
from backup.ledger import Line
from backup.restic import Snapshot
from netdr.kernel.errors import BackupError

# How far two hosts' clocks may be apart: chrony keeps them within milliseconds, this is for a host just started.
SKEW = timedelta(minutes=5)
# How long one copy may take, so how far snapshots of one batch may be apart (backup.copy.LIMIT).
BATCH = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A snapshot at the DR site. ``id``: its own there; ``source``: at home; ``claimed``: the latest time it tells.

    ``stored``: when its file was written, ``seen``: when netdr first saw it, both by the DR host's clock.
    """

    id: str
    source: str
    as_of: datetime
    claimed: datetime
    stored: datetime
    seen: datetime
    manifest: str
    host: str
    quarantine: str = ""

    @property
    def at(self) -> datetime:
        """When it came. A file time later than the first look was changed, or the clock was."""
        return min(self.stored, self.seen)

    def facts(self) -> dict[str, str]:
        """Return what the ledger keeps of it."""
        times = {"as_of": self.as_of, "claimed": self.claimed, "stored": self.stored}
        written = {name: moment.isoformat() for name, moment in times.items()}
        names = {"id": self.id, "source": self.source, "manifest": self.manifest, "host": self.host}
        return {**names, **written, "quarantine": self.quarantine}


def of(one: Snapshot, stored: datetime, seen: datetime) -> Arrival:
    """Return a snapshot as it arrived, judged by nobody yet."""
    as_of = snapshots.as_of(one)
    return Arrival(one.id, one.source, as_of, max(as_of, one.time), stored, seen, one.tag("manifest"), one.host)


def read(lines: Sequence[Line]) -> tuple[Arrival, ...]:
    """Return the arrivals that a ledger holds, in its order, without the quarantine of those that a person released.

    Two jobs that looked at the same moment have both noted what they saw: the first note counts.
    """
    released = {line.facts["snapshot"] for line in lines if line.kind == "release" and "snapshot" in line.facts}
    found: dict[str, Arrival] = {}
    for line in lines:
        if line.kind == "arrival":
            found.setdefault(line.facts["id"], _arrival(line, released))
    return tuple(found.values())


def doubts(lines: Sequence[Line]) -> Mapping[str, str]:
    """Return why snapshots are in quarantine, by their ids at the DR site."""
    return {one.id: one.quarantine for one in read(lines) if one.quarantine}


def judge(new: Iterable[Arrival], before: Sequence[Arrival], told: set[str]) -> tuple[Arrival, ...]:
    """Return new arrivals in the order in which they came, those that cannot be true with the reason of quarantine.

    ``before``: what had arrived earlier; ``told``: source ids that the home ledger had told of. A snapshot may be late:
    if it was known of, or if no newer one had overtaken it by more than a copy may take.
    """
    trusted = [one for one in before if not one.quarantine]
    judged: list[Arrival] = []
    for one in sorted(new, key=lambda arrival: (arrival.at, arrival.claimed)):
        why = _why(one, trusted, told=one.source in told)
        judged.append(_with(one, why))
        if not why:
            trusted.append(one)
    return tuple(judged)


def counted(found: Iterable[Snapshot], lines: Sequence[Line]) -> tuple[Snapshot, ...]:
    """Return the snapshots that are not quarantined, in their order."""
    held = {one.id for one in read(lines) if one.quarantine}
    return tuple(one for one in found if one.id not in held)


def stored(folder: Path, one: Snapshot) -> datetime:
    """Return when a snapshot's object was written below the repository ``folder``. Raise BackupError if it is gone."""
    path = folder / "snapshots" / one.id
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        hint = "is somebody else at work on this repository?"
        raise BackupError("a snapshot is gone while it is looked at", where=str(path), hint=hint) from error


def _why(one: Arrival, trusted: Sequence[Arrival], *, told: bool) -> str:
    if one.claimed > one.at + SKEW:
        return f"future-dated: it claims a time {_span(one.claimed - one.at)} after it came"
    late = one.at - one.claimed
    if told or late <= BATCH:
        return ""
    if any(other.claimed > one.claimed and other.at < one.at - BATCH for other in trusted):
        return f"back-dated: it came {_span(late)} after the time it claims, and newer ones were there before"
    return ""


def _with(one: Arrival, why: str) -> Arrival:
    return Arrival(one.id, one.source, one.as_of, one.claimed, one.stored, one.seen, one.manifest, one.host, why)


def _arrival(line: Line, released: set[str]) -> Arrival:
    facts: Mapping[str, str] = line.facts
    as_of, claimed, came = (datetime.fromisoformat(facts[name]) for name in ("as_of", "claimed", "stored"))
    why = "" if facts["source"] in released else facts["quarantine"]
    return Arrival(facts["id"], facts["source"], as_of, claimed, came, line.at, facts["manifest"], facts["host"], why)


def _span(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
