"""What each verb does for an asset on a host, and what it may be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from backup import (
    anchors,
    arrivals,
    brake,
    copy,
    heal,
    job,
    offline,
    place,
    preview,
    prune,
    snapshots,
    status,
    unpack,
    watch,
)
from backup.brake import Release
from backup.duty import Duty
from backup.machine import Machine
from backup.mutation import trials
from backup.proof import verify
from backup.report import Steps
from backup.repository import Site
from backup.stream import extract, proof, retention
from backup.stream import tend as stream
from backup.stream.extract import Moment
from backup.stream.link import streamed
from inventory.asset import Level
from netdr.kernel.errors import Problems

Act = Callable[[Machine, Duty, Steps], Mapping[str, object]]


def listing(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Return the snapshots of a service in this host's repository, oldest first, with what is known of each."""
    name = duty.asset.id
    repository = machine.layout.home(name) if duty.role == "home" else machine.layout.disk(name)
    with steps.step("list"):
        found = snapshots.of_service(machine.plain_restic.snapshots(repository), name)
    lines = machine.ledger(name).lines()
    results = {line.facts["source"]: line.facts["result"] for line in lines if line.kind == "proof"}
    doubts = {**brake.suspect(lines, [one.id for one in found]), **arrivals.doubts(lines)}
    rows = [
        {
            "snapshot": one.id,
            "source": one.source,
            "as_of": snapshots.as_of(one).isoformat(),
            "proof": results.get(one.source, "none"),
            "doubt": doubts.get(one.id, ""),
        }
        for one in found
    ]
    return {"repository": repository.label, "snapshots": rows}


@dataclass(frozen=True, slots=True)
class Options:
    """What a verb may be told besides the assets; each is for the verbs that know it."""

    snapshot: str = snapshots.LATEST
    origin: Site = "standby"
    at: Moment | None = None
    level: Level | None = None
    into: str = ""
    to: str = ""
    by: str = ""
    why: str = ""
    ledger: str = ""
    note: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """The options of the command line that say the same."""
        said = {
            "--snapshot": self.snapshot if self.snapshot != snapshots.LATEST else "",
            "--from": self.origin if self.origin != "standby" else "",
            "--at": self.at.isoformat() if isinstance(self.at, datetime) else self.at or "",
            "--level": self.level or "",
            "--into": self.into,
            "--to": self.to,
            "--by": self.by,
            "--why": self.why,
            "--ledger": self.ledger,
            "--note": self.note,
        }
        return tuple(word for name, value in said.items() if value for word in (name, value))


PLAIN = Options()


def acts(options: Options = PLAIN) -> Mapping[str, Act]:
    """Return what each verb does."""
    quarantined = "" if options.snapshot == snapshots.LATEST else options.snapshot
    let = Release(options.by, options.why, quarantined, options.ledger)
    return {
        "plan": preview.run,
        "run": job.run,
        "copy": partial(offline.run, to=options.to) if options.to else copy.run,
        "tend": tend,
        "stream": stream.run,
        "verify": partial(_verify, scope=verify.Scope(options.snapshot, options.level)),
        "witness": partial(anchors.run, note=options.note),
        "mutate": mutate,
        "restore": _restore(options),
        "moment": partial(extract.save, at=options.at),
        "prune": forget,
        "release": partial(brake.release, let=let),
        "list": listing,
        "status": status.run,
    }


def tend(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Keep a copy at the DR site in order: put right what a killed job left, note what has come, judge it."""
    return {**heal.tend(machine, duty, steps), **watch.run(machine, duty, steps)}


def forget(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Forget what retention does not keep, of the snapshots and of the stream; nothing while a hold is open."""
    facts = prune.run(machine, duty, steps)
    if duty.role == "standby" and streamed(duty):
        return {**facts, "stream": retention.prune(machine, duty, steps)}
    return facts


def _verify(machine: Machine, duty: Duty, steps: Steps, scope: verify.Scope) -> Mapping[str, object]:
    """Prove a snapshot, and where applications are started also that what streams in since comes back."""
    facts = verify.run(machine, duty, steps, scope)
    if streamed(duty) and (scope.depth or duty.protection.proof.depth) >= "v3":
        return {**facts, "stream": proof.run(machine, duty, steps)}
    return facts


def mutate(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Damage scratch copies in every way and let the verifier find it. Raise Problems with what it missed."""
    found = trials.tried(machine, duty, steps)
    if missed := trials.missed(found):
        raise Problems(missed)
    return {"rows": [one.as_dict() for one in found]}


def _restore(options: Options) -> Act:
    if options.into:
        return partial(unpack.run, into=options.into, wanted=options.snapshot, origin=options.origin)
    return partial(place.run, wanted=options.snapshot, origin=options.origin, at=options.at)
