"""Forget what retention does not keep: by explicit ids, noted in the ledger before and after.

At the DR site restic runs as root, which alone can read the password, and reaches the files through an rclone of the
backup server's account, so that what it writes belongs to the server. No port, no credential: they talk by pipe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from backup import arrivals, brake, heal, server, watch
from backup.duty import Duty
from backup.ledger import Line, last
from backup.machine import Machine
from backup.report import Steps
from backup.repository import write_private
from backup.restic import Reason, Repository, ResticError
from backup.retention import Choice, Point, choose
from netdr.kernel.errors import BackupError

# Seconds. Half a terabyte is rewritten within this on one slow disk.
LIMIT = 6 * 3600.0
# How long a copy that is under way is waited for, and how often it is looked: before 0.16 restic does not wait itself.
PATIENCE, STEP = 900.0, 2.0


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Forget what the asset's retention does not keep; return ``kept`` (why, by id) and ``forgotten`` (ids).

    Raise BackupError, having forgotten nothing, while a hold is open. What a killed prune had begun is finished first.
    """
    name = duty.asset.id
    with machine.alone(name, "prune"):
        heal.mend(machine, maintained(machine, duty), name)
        found, choice = _at_standby(machine, duty, steps) if duty.role == "standby" else _at_home(machine, duty, steps)
        going = [one for one in choice.forget if one in found]
        steps.progress(f"{name}: {len(choice.keep)} of {len(found)} snapshots are kept")
        if going or _unfinished(machine.ledger(name).lines()):
            with steps.step("prune"):
                _forget(machine, duty, {one: found[one] for one in going})
    return {"kept": dict(choice.keep), "forgotten": going}


def proven(lines: Sequence[Line]) -> str:
    """Return the id at its source of the newest snapshot whose proof passed, empty if there is none.

    The newest by what it describes, so that proving an old one again does not let go of a newer one.
    """
    passed = [line.facts for line in lines if line.kind == "proof" and line.facts["result"] == "passed"]
    return max(passed, key=lambda facts: facts["as_of"])["source"] if passed else ""


def maintained(machine: Machine, duty: Duty) -> Repository:
    """Return the repository on this host's own disk in the way in which it may be changed here."""
    if duty.role == "home":
        return machine.layout.home(duty.asset.id)
    disk = machine.layout.disk(duty.asset.id)
    location = disk.location.with_name("prune.repository")
    write_private(location, f"rclone:{machine.layout.repositories / duty.asset.id}\n")
    drop = " ".join(server.drop())
    options = (f"rclone.program={drop} rclone", "rclone.args=serve restic --stdio --config=/dev/null")
    return Repository(disk.label, location, disk.password, options=options)


def _at_standby(machine: Machine, duty: Duty, steps: Steps) -> tuple[dict[str, str], Choice]:
    seen = watch.look(machine, duty, steps)
    with steps.step("judge"):
        watch.assess(machine, duty, seen)
    lines = machine.ledger(duty.asset.id).lines()
    _refuse_held(lines, machine.layout.disk(duty.asset.id))
    found = {one.id: one.source for one in seen.found}
    points = [Point(one.id, one.at, one.quarantine) for one in arrivals.read(lines) if one.id in found]
    good = proven(lines)
    pinned = {one: "the newest proven" for one, source in found.items() if source == good}
    return found, choose(points, duty.protection.retention, {**pinned, **brake.pins(lines)})


def _at_home(machine: Machine, duty: Duty, steps: Steps) -> tuple[dict[str, str], Choice]:
    lines = machine.ledger(duty.asset.id).lines()
    with steps.step("list"):
        found = {one.id: one.id for one in machine.restic.snapshots(machine.layout.home(duty.asset.id))}
    copied = {line.facts["id"] for line in lines if line.kind == "copy"}
    points = [
        Point(line.facts["id"], line.at) for line in lines if line.kind == "snapshot" and line.facts["id"] in found
    ]
    pinned = {one.id: "its copy has not arrived" for one in points if one.id not in copied}
    return found, choose(points, duty.protection.retention, pinned)


def _refuse_held(lines: Sequence[Line], repository: Repository) -> None:
    held = brake.holds(lines)
    if held:
        why = "; ".join(line.facts["why"] for line in held)
        hint = "look at what changed; if it was meant: netdr backup release --by NAME --why WORDS"
        raise BackupError("the brake is on: nothing is forgotten", where=repository.label, why=why, hint=hint)


def _forget(machine: Machine, duty: Duty, going: Mapping[str, str]) -> None:
    ledger = machine.ledger(duty.asset.id)
    facts = {"ids": " ".join(going), "sources": " ".join(going.values())}
    ledger.add("prune", machine.clock(), {"state": "begun", **facts})
    repository = maintained(machine, duty)
    if going:
        _patiently(lambda: machine.restic.forget(repository, tuple(going), prune=True, limit=LIMIT))
    else:
        _patiently(lambda: machine.restic.prune(repository, limit=LIMIT))
    ledger.add("prune", machine.clock(), {"state": "ended", **facts})


def _patiently(act: Callable[[], None]) -> None:
    """Do what needs the repository for itself alone, when the copies that are under way have ended."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except ResticError as error:
            if error.reason is not Reason.LOCKED or time.monotonic() > end:
                raise
        time.sleep(STEP)


def _unfinished(lines: Sequence[Line]) -> bool:
    newest = last(lines, "prune")
    return newest is not None and newest.facts["state"] == "begun"
