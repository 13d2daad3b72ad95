"""A step of a change: written in the journal before it is done, timed, told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from inventory.network import Network
from netdr.kernel.errors import NetdrError, Problems, StoppedError
from netdr.kernel.outcome import Outcome, Outcomes
from nornir_tasks.clock import Clock, SystemClock
from nornir_tasks.fleet import Fleet, Results
from nornir_tasks.journal import Journal
from nornir_tasks.plan import Plan
from nornir_tasks.session import DeviceSession

T = TypeVar("T")
Action = Callable[[str, DeviceSession], T]


class Progress(Protocol):
    """Who is told how far a change is. ``device`` is called from several threads."""

    def stage(self, name: str, devices: int) -> None:
        """Take note that a stage begins on so many devices."""

    def device(self, outcome: Outcome) -> None:
        """Take note of what came of a step on one device."""


class Silent:
    """Progress that nobody watches."""

    def stage(self, name: str, devices: int) -> None:
        """See Progress."""

    def device(self, outcome: Outcome) -> None:
        """See Progress."""


@dataclass(frozen=True)
class Options:
    """What the caller of a deploy may choose. ``stop`` is asked between steps whether the operator wants to end it."""

    ticket: str = ""
    stop: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Silent)
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True)
class Work:
    """All that a change works with. ``intended`` holds secrets, so it is never shown."""

    plan: Plan
    network: Network
    fleet: Fleet
    intended: Mapping[str, str] = field(repr=False)
    redact: Callable[[str], str]
    journal: Journal
    options: Options


class Steps:
    """The steps of one transaction. ``seconds`` has the time of each stage so far."""

    def __init__(self, work: Work, transaction: int) -> None:
        self._work, self._transaction = work, transaction
        self.seconds: dict[str, float] = {}
        # An abort goes on when the journal's disk is full: bringing the devices back matters more.
        self.must_be_written = True

    @contextmanager
    def stage(self, name: str, devices: int) -> Iterator[None]:
        """Tell that a stage begins, and time it."""
        clock = self._work.options.clock
        self._work.options.progress.stage(name, devices)
        start = clock.now()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + clock.now() - start

    def act(self, step: str, devices: Collection[str], action: Action[T]) -> Results[T]:
        """Do a step that changes something: journalled before and after."""
        with self._writing():
            self._work.journal.begin(self._transaction, step, devices)
        results = self.look(step, devices, action)
        with self._writing():
            self._work.journal.end(self._transaction, results.outcomes)
        return results

    def look(self, step: str, devices: Collection[str], action: Action[T]) -> Results[T]:
        """Do a step that changes nothing."""
        return self._work.fleet.run(devices, step, action, self._work.options.progress.device)

    def heed(self) -> None:
        """Raise StoppedError if the operator wants the change to end."""
        if self._work.options.stop():
            raise StoppedError("stopped by the operator")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except NetdrError:
            if self.must_be_written:
                raise


def demand(outcomes: Outcomes) -> None:
    """Raise Problems with every device's failure if there is one."""
    if not outcomes.ok:
        raise Problems(outcomes.failures)
