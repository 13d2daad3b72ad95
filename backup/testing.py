"""For tests: a shell that answers from a script, and two hosts made of temporary folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backup import acts, work
from backup.host import Observer, Result, Watch
from backup.machine import Machine
from backup.postgres import Cluster
from backup.report import JobReport
from backup.repository import Site
from backup.snapshots import LATEST

Answer = Callable[[Sequence[str]], Result | None]


@dataclass
class FakeShell:
    """A ``host.Shell``. Each answer is asked in turn; the first that is not None is how the command ended."""

    answers: Sequence[Answer]
    name: str = "host"
    calls: list[tuple[str, ...]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,  # noqa: ARG002 - the protocol's
        watch: Watch | Observer | None = None,
    ) -> Result:
        """Record the call and answer it. Raise LookupError for one nobody expected, ValueError without a limit."""
        if limit <= 0:
            message = "every command has a time limit"
            raise ValueError(message)
        self.calls.append(tuple(argv))
        self.inputs.append(stdin)
        for answer in self.answers:
            result = answer(argv)
            if result is not None:
                _tell(watch if isinstance(watch, Observer) else Observer(err=watch), result)
                return result
        raise LookupError(" ".join(argv))


def _tell(observer: Observer, result: Result) -> None:
    for hear, text in ((observer.out, result.out), (observer.err, result.err)):
        if hear:
            for line in text.splitlines():
                hear(line)


def when(*words: str, code: int = 0, out: str = "", err: str = "") -> Answer:
    """Return an answer for every command line that has all of ``words``."""

    def answer(argv: Sequence[str]) -> Result | None:
        return Result(code, out, err) if set(words) <= set(argv) else None

    return answer


@dataclass(frozen=True)
class Pair:
    """A home host and its DR host. ``cluster`` is the database server of both, ``pages`` the files of ``portal``."""

    root: Path
    home: Machine
    standby: Machine
    cluster: Cluster
    pages: Path

    def do(
        self, machine: Machine, verb: str, service: str, *, snapshot: str = LATEST, origin: Site = "standby"
    ) -> JobReport:
        """Do a verb for one service on one of the machines, and return its report."""
        act = acts.acts(acts.Options(snapshot=snapshot, origin=origin))[verb]
        return work.do(machine, verb, machine.book.select([service]), act, lambda _: None)[0]

    def good(
        self, machine: Machine, verb: str, service: str, *, snapshot: str = LATEST, origin: Site = "standby"
    ) -> JobReport:
        """Do the same and return its report. Raise AssertionError with its problems if it did not do all it should."""
        report = self.do(machine, verb, service, snapshot=snapshot, origin=origin)
        if report.problems:
            raise AssertionError([problem.report() for problem in report.problems])
        return report
