"""The host that a job runs on: its duties, its folders, its programs and its clock."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from backup import duty, tree
from backup.duty import Book
from backup.host import LocalShell, Shell
from backup.ledger import Ledger
from backup.postgres import Cluster, main_cluster
from backup.repository import Layout
from backup.restic import Restic
from backup.restic.jobs import Jobs
from netdr.kernel.errors import BusyError


@dataclass(frozen=True)
class Machine:
    """A services host as its jobs see it. ``cluster`` is asked for only by services that have a database.

    ``program``: the restic it has.
    """

    book: Book
    layout: Layout
    shell: Shell
    cluster: Callable[[], Cluster]
    clock: Callable[[], datetime]
    program: str = "restic"

    @property
    def restic(self) -> Restic:
        """The restic for saving and copying: with a cache."""
        return Restic(self.shell, self.layout.cache / "restic", self.program, self.jobs)

    @property
    def plain_restic(self) -> Restic:
        """The restic for proofs and restores: without a cache, so that every byte comes from the repository."""
        return Restic(self.shell, None, self.program, self.jobs)

    @property
    def jobs(self) -> Jobs:
        """The restic processes of this host, so that locks left by killed ones can be proven to be nobody's."""
        return Jobs(self.layout.state / "jobs")

    def ledger(self, service: str) -> Ledger:
        """Return this host's ledger of a service."""
        return Ledger(self.layout.ledger(service))

    @contextmanager
    def alone(self, service: str, work: str) -> Iterator[None]:
        """Hold the service for one kind of ``work``. Raise BusyError at once if another process is at it."""
        tree.passable(self.layout.runtime)
        path = self.layout.runtime / f"backup-{work}-{service}.lock"
        with path.open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                hint = "wait until it has ended"
                raise BusyError(f"another {work} of {service} is at work", where=self.book.host, hint=hint) from None
            yield


def this_machine(layout: Layout | None = None) -> Machine | None:
    """Return the machine netdr runs on, None if it has no duties: then it is a controller, or was never set up."""
    layout = layout or Layout()
    book = duty.read(layout.book)
    if book is None:
        return None
    shell = LocalShell(book.host)
    return Machine(book, layout, shell, lambda: main_cluster(shell), lambda: datetime.now(UTC))
