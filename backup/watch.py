"""What the DR host does when copies have come: note when, judge them, and pull the brake if they look wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup import anchors, arrivals, brake, gaps, manifest, snapshots
from backup.arrivals import Arrival
from backup.duty import Duty
from backup.ledger import Line, last
from backup.machine import Machine
from backup.manifest import Manifest
from backup.report import Steps
from backup.restic import Snapshot
from netdr.kernel.errors import BackupError

# Index files read to see how new data is packed: a copy of many snapshots makes as many.
_INDEXES = 20


@dataclass(frozen=True)
class Seen:
    """What is there: the asset's snapshots in the repository, and the ledger with their arrivals."""

    found: tuple[Snapshot, ...]
    lines: tuple[Line, ...]
    new: tuple[Arrival, ...]

    @property
    def counted(self) -> tuple[Snapshot, ...]:
        """The snapshots that are not quarantined, oldest first."""
        return arrivals.counted(self.found, self.lines)


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Note the arrivals of an asset at the DR site, judge the newest and return the facts.

    Facts: ``present``, ``new``, ``quarantined`` (why, by source id), ``gaps`` (how, by source id), ``holds`` (why),
    ``ledger`` (what other hosts may note of this one's: ``anchors.run``).
    Raise BackupError if this is not its DR site, ResticError if the repository cannot be read.
    """
    if duty.role != "standby":
        raise BackupError(f"copies of {duty.asset.id} do not arrive here", where=machine.book.host)
    seen = look(machine, duty, steps)
    with steps.step("judge"):
        assess(machine, duty, seen)
    lines = machine.ledger(duty.asset.id).lines()
    return {
        "present": len(seen.found),
        "new": len(seen.new),
        "quarantined": {one.source: one.quarantine for one in arrivals.read(lines) if one.quarantine},
        "gaps": {one.id: one.how for one in gaps.gaps(lines, [one.source for one in seen.found])},
        "holds": [line.facts["why"] for line in brake.holds(lines)],
        "ledger": anchors.told(machine.ledger(duty.asset.id), machine.book.host, machine.clock()),
    }


def look(machine: Machine, duty: Duty, steps: Steps) -> Seen:
    """List the repository and note in the ledger when each new snapshot came."""
    name, now = duty.asset.id, machine.clock()
    ledger, folder = machine.ledger(name), machine.layout.repositories / duty.asset.id
    with steps.step("arrivals"):
        found = snapshots.of_service(machine.plain_restic.snapshots(machine.layout.disk(name)), name)
        lines = ledger.lines()
        known = arrivals.read(lines)
        ids = {one.id for one in known}
        told = {line.facts["id"] for line in lines if line.kind == "snapshot"}
        new = arrivals.judge(
            (arrivals.of(one, arrivals.stored(folder, one), now) for one in found if one.id not in ids),
            known,
            told,
        )
        added = ledger.extend("arrival", ((now, one.facts()) for one in new)) if new else ()
    return Seen(found, (*lines, *added), new)


def assess(machine: Machine, duty: Duty, seen: Seen) -> tuple[str, ...]:
    """Compare the newest snapshot with the last one that was judged; return why a hold was opened, nothing if none."""
    newest, reference = _pair(seen)
    if newest is None:
        return ()
    before = _manifest(machine, duty, reference) if reference else None
    packed = _packing(machine, duty, reference.at if reference else None, seen.lines)
    signs = brake.compare(before, _manifest(machine, duty, newest), packed)
    usual = [brake.of(line) for line in seen.lines if line.kind == "judged"]
    reasons = brake.judge(signs, usual, duty.protection.brake)
    ledger, now = machine.ledger(duty.asset.id), machine.clock()
    against = reference.id if reference else ""
    ledger.add("judged", now, {"id": newest.id, "source": newest.source, "against": against, **signs.facts()})
    if reasons:
        ledger.add("hold", now, {"snapshot": newest.id, "pins": against, "why": "; ".join(reasons)})
    return reasons


def _pair(seen: Seen) -> tuple[Arrival | None, Arrival | None]:
    """Return the newest arrival, if it was not judged yet, and the last one that was and is still there."""
    present = {one.id for one in seen.found}
    trusted = [one for one in arrivals.read(seen.lines) if not one.quarantine and one.id in present]
    judged = {line.facts["id"] for line in seen.lines if line.kind == "judged"}
    newest = max(trusted, key=lambda one: (one.at, one.as_of), default=None)
    if newest is None or newest.id in judged:
        return None, None
    latest = last([line for line in seen.lines if line.kind == "judged"], "judged")
    by_id = {one.id: one for one in trusted}
    return newest, by_id.get(latest.facts["id"]) if latest else None


def _manifest(machine: Machine, duty: Duty, one: Arrival) -> Manifest:
    text = machine.plain_restic.dump(machine.layout.disk(duty.asset.id), one.id, manifest.NAME)
    made = Manifest.load(text)
    if made.root != one.manifest:
        what = f"the manifest of snapshot {one.id[:8]} is not the one that it is tagged with"
        raise BackupError(what, where=machine.layout.disk(duty.asset.id).label, hint="netdr backup verify")
    return made


def _packing(machine: Machine, duty: Duty, since: datetime | None, lines: Sequence[Line]) -> float | None:
    """Return how what came since then is packed, None if there is too little. What prune wrote anew does not count."""
    folder = machine.layout.repositories / duty.asset.id / "index"
    times = {path.name: path.stat().st_mtime for path in folder.iterdir()}
    first = since.timestamp() if since else 0
    pruned = _prunes(lines)
    fresh = [name for name, at in times.items() if at > first and not any(a <= at <= b for a, b in pruned)]
    newest = sorted(fresh, key=lambda name: times[name])[-_INDEXES:]
    stored, plain = machine.plain_restic.lengths(machine.layout.disk(duty.asset.id), newest)
    return brake.packing(stored, plain)


def _prunes(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """Return when prunes were at work, in Unix seconds: from each that began to the next that ended."""
    spans: list[tuple[float, float]] = []
    begun: float | None = None
    for line in lines:
        if line.kind == "prune" and line.facts["state"] == "begun":
            begun = line.at.timestamp() if begun is None else begun
        elif line.kind == "prune" and begun is not None:
            spans.append((begun, line.at.timestamp()))
            begun = None
    return spans
