"""Copy an asset's snapshots to the DR site's append-only repository, and make sure that they arrived."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from backup import heal, server
from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.rates import rates
from backup.report import Steps
from backup.restic import Snapshot, Way
from backup.restic.objects import names
from backup.restic.progress import Meter
from netdr.kernel.errors import BackupError

# Seconds. 1 GB took 13 s to the local append-only server, and takes 85 s at 100 Mbit/s.
LIMIT = 6 * 3600.0

Listing = tuple[Snapshot, ...]


@dataclass(frozen=True)
class Sides:
    """What the two sites have: the ids ``here``, the DR site's listing, and whether to send what went ``again``."""

    here: Collection[str]
    there: Future[Listing]
    again: bool = False


def run(machine: Machine, duty: Duty, steps: Steps, *, again: bool = False) -> Mapping[str, object]:
    """Copy what is missing at the DR site and return the facts ``copied``, ``present`` and ``gone``.

    What was confirmed there once and is there no more has been pruned there: it is ``gone`` and not sent again, unless
    ``again`` is given or nothing of ours is there any more. Raise BackupError if the server cannot be used or, whatever
    restic's exit code said, a snapshot is not there afterwards. What had arrived stays: the next copy goes on.
    """
    name = duty.asset.id
    if duty.role != "home":
        raise BackupError(f"{name} is not copied from here", where=machine.book.host, hint="run copy at its home site")
    with ThreadPoolExecutor(1) as pool:
        there = listing(machine, duty, pool)
        with steps.step("list"):
            # What was killed has left snapshots that nobody confirmed.
            heal.mend(machine, machine.layout.home(name), name)
            here = machine.restic.snapshots(machine.layout.home(name))
        return send(machine, duty, steps, Sides({one.id for one in here}, there, again))


def listing(machine: Machine, duty: Duty, pool: ThreadPoolExecutor) -> Future[Listing]:
    """Return what is at the DR site, to be asked for later: it is listed while other things are done."""
    standby = machine.layout.standby(duty.asset.id, machine.book.server)

    def ask() -> Listing:
        server.probe(standby)
        heal.mend(machine, standby, duty.asset.id, writable=False)
        return machine.restic.snapshots(standby)

    return pool.submit(ask)


def send(
    machine: Machine,
    duty: Duty,
    steps: Steps,
    sides: Sides,
) -> Mapping[str, object]:
    """Copy the snapshots of our ledger as far as they are to be copied; see ``run``."""
    name, lines = duty.asset.id, machine.ledger(duty.asset.id).lines()
    with machine.alone(name, "copy"), steps.step("copy"):
        originals = {one.source for one in sides.there.result()}
        wanted = due(lines, sides.here, originals, again=sides.again)
        _copy(machine, duty, wanted, lambda words: steps.progress(f"{name}: copy {words}"))
        ours = [line for line in lines if line.kind == "snapshot" and line.facts["id"] in originals | {*wanted}]
        copied = _record(machine, name, lines, ours)
    gone = confirmed(lines) & {*sides.here} - originals - {*wanted}
    return {"copied": copied, "present": len(originals | {*wanted}), "gone": len(gone)}


def due(lines: Sequence[Line], here: Collection[str], there: Collection[str], *, again: bool) -> tuple[str, ...]:
    """Return the ids to copy, in the ledger's order: those of our ledger that are here and not there.

    What the ledger says was confirmed there is left out: it has been pruned there. If nothing of ours is there at all,
    the repository is a new one, and everything is due.
    """
    ours = [line.facts["id"] for line in lines if line.kind == "snapshot"]
    known = set() if again or not {*ours} & {*there} else confirmed(lines)
    return tuple(dict.fromkeys(one for one in ours if one in here and one not in there and one not in known))


def confirmed(lines: Iterable[Line]) -> set[str]:
    """Return the ids of the snapshots whose copy has been seen at the DR site."""
    return {line.facts["id"] for line in lines if line.kind == "copy"}


def missing(wanted: Iterable[str], copied: Mapping[str, str], present: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that have no copy: restic named none (``copied``, short ids), or the server does not list it."""
    listed = tuple(present)
    made = {one: next((new for old, new in copied.items() if one.startswith(old)), "") for one in wanted}
    return tuple(one for one, new in made.items() if not new or not any(name.startswith(new) for name in listed))


def _copy(machine: Machine, duty: Duty, wanted: Sequence[str], tell: Callable[[str], None]) -> None:
    if not wanted:
        return
    home, standby = machine.layout.home(duty.asset.id), machine.layout.standby(duty.asset.id, machine.book.server)
    speed = rates(duty.protection.limits, machine.clock().astimezone().time())
    copied = machine.restic.copy(home, standby, wanted, Way(LIMIT, speed, Meter(tell)))
    skipped = missing(wanted, copied, names(standby, "snapshots"))
    if skipped:
        # 0.19 says nothing of a snapshot that was there already: another copy may have brought it meanwhile.
        there = {one.source for one in machine.restic.snapshots(standby)}
        skipped = tuple(one for one in skipped if one not in there)
    if skipped:
        listed = ", ".join(one[:8] for one in skipped)
        hint = "run copy again; if it stays, check the home repository (netdr backup verify)"
        raise BackupError("restic skipped snapshots", where=standby.label, why=listed, hint=hint)


def _record(machine: Machine, name: str, lines: Sequence[Line], arrived: Iterable[Line]) -> int:
    ledger, known = machine.ledger(name), confirmed(lines)
    new = [line for line in arrived if line.facts["id"] not in known]
    for line in new:
        facts = {key: line.facts[key] for key in ("id", "as_of", "manifest")}
        ledger.add("copy", machine.clock(), facts)
    return len(new)
