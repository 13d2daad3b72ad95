"""Copy a service's snapshots to the DR site's append-only repository, and make sure that they arrived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backup import server
from backup.duty import Duty
from backup.machine import Machine
from backup.report import Steps
from backup.restic import Snapshot
from netdr.kernel.errors import BackupError

# Seconds. 1 GB took 13 s to the local append-only server, and takes 85 s at 100 Mbit/s.
LIMIT = 6 * 3600.0


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Copy what is missing at the DR site and return the facts ``copied`` and ``present``.

    Raise BackupError if the server cannot be used or, whatever restic's exit code said, a snapshot is not there
    afterwards. What had arrived stays, so running it again goes on from there.
    """
    name = duty.asset.id
    if duty.role != "home":
        raise BackupError(f"{name} is not copied from here", where=machine.book.host, hint="run copy at its home site")
    home, standby = machine.layout.home(name), machine.layout.standby(name, machine.book.server)
    restic = machine.restic
    with machine.alone(name, "copy"), steps.step("copy"):
        server.probe(standby)
        restic.copy(home, standby, limit=LIMIT)
        mine, theirs = restic.snapshots(home), restic.snapshots(standby)
        missing = not_copied(mine, theirs)
        if missing:
            listed = ", ".join(one.id[:8] for one in missing)
            hint = "run copy again; if it stays, prove the home repository"
            raise BackupError("restic skipped snapshots", where=standby.label, why=listed, hint=hint)
    return {"copied": _record(machine, name, mine), "present": len(theirs)}


def not_copied(mine: Iterable[Snapshot], theirs: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Return the snapshots that have no copy: the copy's ``original`` is the only reliable sign of one."""
    there = {one.source for one in theirs}
    return tuple(one for one in mine if one.source not in there)


def _record(machine: Machine, name: str, arrived: Iterable[Snapshot]) -> int:
    ledger = machine.ledger(name)
    known = {line.facts["id"] for line in ledger.lines() if line.kind == "copy"}
    new = [one for one in arrived if one.id not in known]
    for one in new:
        ledger.add("copy", machine.clock(), {"id": one.id, "as_of": one.tag("as-of"), "manifest": one.tag("manifest")})
    return len(new)
