"""Do a verb for several assets of this host, two at a time, and tell about each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from backup import host
from backup.acts import Act
from backup.duty import Duty
from backup.machine import Machine
from backup.report import JobReport, Progress, perform
from backup.standing import failures
from netdr.kernel.errors import BackupError, BusyError, StoppedError, UsageError

# restic's key derivation and PostgreSQL's restore keep one core busy each; more at once only makes all of them late.
AT_ONCE = 2
# Verbs whose failure must be seen later, not only by whoever ran them. A failed proof writes its own line.
_REMEMBERED = frozenset({"run", "copy", "tend", "stream", "prune", "mutate"})


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
    if verb not in _REMEMBERED or any(isinstance(problem, BusyError) for problem in report.problems):
        return report
    try:
        _remember(machine, name, verb, str(report.problems[0]) if report.problems else "")
    except BackupError as error:
        broken = (*report.problems, error)
        return JobReport(name, report.host, verb, report.seconds, report.steps, report.facts, broken)
    return report


def _remember(machine: Machine, name: str, verb: str, failure: str) -> None:
    """Write into the ledger that a job fails, or does so no more; the same news is written once."""
    ledger = machine.ledger(name)
    known = failures(ledger.lines()).get(verb, "")
    if failure and failure != known:
        ledger.add("failure", machine.clock(), {"verb": verb, "what": failure})
    elif known and not failure:
        ledger.add("success", machine.clock(), {"verb": verb})
