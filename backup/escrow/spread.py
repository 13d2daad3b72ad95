"""The controller's side of the escrow: have every host seal what is its own, and leave the same bundle everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backup.escrow.bundle import Bundle
from backup.remote import Hosts, Order
from backup.report import JobReport
from netdr.kernel.errors import BackupError, NetdrError, Problems

# Seconds: a host seals a handful of passwords.
LIMIT = 120.0
VERB = "escrow"


def seal(hosts: Hosts, ids: Sequence[str], made: Bundle) -> tuple[Bundle, tuple[JobReport, ...]]:
    """Have hosts seal their secrets; return the bundle with all of them, which every host that answered now keeps.

    Hosts are asked twice: the second time each gets what the others have sealed the first time.
    """
    reports: list[JobReport] = []
    for _ in range(2):
        reports = []
        for host in ids:
            answers = _ask(hosts, host, Order(VERB, ("seal",), stdin=made.dump(), limit=LIMIT))
            for one in answers:
                made = made.adding(Bundle.load(str(one.facts["bundle"]), host).boxes) if one.ok else made
            reports += answers
    return made, tuple(reports)


def check(hosts: Hosts, ids: Sequence[str], made: Bundle) -> tuple[JobReport, ...]:
    """Have hosts check what they keep; one that keeps another bundle than this one is reported as a failure too."""
    reports = [one for host in ids for one in _ask(hosts, host, Order(VERB, ("check",), limit=LIMIT))]
    return tuple(one if not one.ok or one.facts["digest"] == made.digest else _differs(one) for one in reports)


def _differs(report: JobReport) -> JobReport:
    what = "the escrow's bundle is not the one of the other machines"
    return replace(report, problems=(BackupError(what, where=report.host, hint="netdr backup escrow seal"),))


def _ask(hosts: Hosts, host: str, order: Order) -> tuple[JobReport, ...]:
    try:
        return hosts.ask(host, order)
    except NetdrError as error:
        problems = error.problems if isinstance(error, Problems) else (error,)
        return (JobReport(VERB, host, order.services[0], 0.0, {}, {}, problems),)
