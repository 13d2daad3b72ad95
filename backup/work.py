"""Do a verb for several services of this host, two at a time, and tell about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from backup import copy, host, job, place, snapshots, status
from backup.duty import Duty
from backup.machine import Machine
from backup.proof import verify
from backup.report import JobReport, Progress, Steps, perform
from backup.repository import Site
from backup.stream import tend
from netdr.kernel.errors import BackupError, StoppedError, UsageError

Act = Callable[[Machine, Duty, Steps], Mapping[str, object]]

# restic's key derivation and PostgreSQL's restore keep one core busy each; more at once only makes all of them late.
AT_ONCE = 2
# Verbs whose failure must be seen later, not only by whoever ran them. A failed proof writes its own line.
_REMEMBERED = frozenset({"run", "copy"})


def listing(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Return the snapshots of a service in this host's repository, oldest first, with what is known of each."""
    name = duty.asset.id
    repository = machine.layout.home(name) if duty.role == "home" else machine.layout.disk(name)
    with steps.step("list"):
        found = snapshots.of_service(machine.plain_restic.snapshots(repository), name)
    results = {
        line.facts["source"]: line.facts["result"] for line in machine.ledger(name).lines() if line.kind == "proof"
    }
    rows = [
        {
            "snapshot": one.id,
            "source": one.source,
            "as_of": snapshots.as_of(one).isoformat(),
            "proof": results.get(one.source, "none"),
        }
        for one in found
    ]
    return {"repository": repository.label, "snapshots": rows}


@dataclass(frozen=True, slots=True)
class Options:
    """What a verb may be told besides the assets; each is for the verbs that know it."""

    snapshot: str = snapshots.LATEST
    origin: Site = "standby"
    at: datetime | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The options of the command line that say the same."""
        said = {
            "--snapshot": self.snapshot if self.snapshot != snapshots.LATEST else "",
            "--from": self.origin if self.origin != "standby" else "",
            "--at": self.at.isoformat() if self.at else "",
        }
        return tuple(word for name, value in said.items() if value for word in (name, value))


PLAIN = Options()


def acts(options: Options = PLAIN) -> Mapping[str, Act]:
    """Return what each verb does."""
    prove = partial(verify.run, scope=verify.Scope(options.snapshot))
    return {
        "run": job.run,
        "copy": copy.run,
        "verify": prove,
        "prove": prove,
        "restore": partial(place.run, wanted=options.snapshot, origin=options.origin, at=options.at),
        "stream": tend.run,
        "list": listing,
        "status": status.run,
    }


def do(machine: Machine, verb: str, duties: Sequence[Duty], act: Act, progress: Progress) -> tuple[JobReport, ...]:
    """Do a verb for each duty and return their reports, in order. One that fails stops no other.

    Raise StoppedError after Ctrl-C, when all that was running here has been ended.
    """
    if not duties:
        raise UsageError(f"nothing to {verb} on this host", where=machine.book.host)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(_one, machine, verb, duty, act, progress) for duty in duties]
        try:
            return tuple(one.result() for one in running)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            host.stop_all()
            why = "snapshots that were finished stay, staged and restored files are removed"
            raise StoppedError(f"{verb} was stopped", why=why, hint="run it again: it goes on from there") from None


def _one(machine: Machine, verb: str, duty: Duty, act: Act, progress: Progress) -> JobReport:
    name = duty.asset.id
    report = perform(verb, name, machine.book.host, progress, lambda steps: act(machine, duty, steps))
    if report.problems and verb in _REMEMBERED:
        words = {"verb": verb, "what": str(report.problems[0])}
        try:
            machine.ledger(name).add("failure", machine.clock(), words)
        except BackupError as error:
            broken = (*report.problems, error)
            return JobReport(name, report.host, verb, report.seconds, report.steps, report.facts, broken)
    return report
