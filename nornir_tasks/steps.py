"""A step of a change: written in the journal before it is done, timed, told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from inventory.network import Network
from netdr.kernel.errors import NetdrError, Problems, StoppedError
from netdr.kernel.outcome import Outcome, Outcomes
from nornir_tasks import actions
from nornir_tasks.clock import Clock, SystemClock
from nornir_tasks.each import Action, Each, Held
from nornir_tasks.fleet import Fleet, Results
from nornir_tasks.journal import Journal
from nornir_tasks.plan import Plan
from nornir_tasks.session import Claim
from nornir_tasks.texts import Texts

T = TypeVar("T")


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
    """What the caller of a deploy may choose. ``stop`` is asked between steps whether the operator wants to end it.

    ``ask_services``: whether services that answered a device must go on to; a change that moves them says no.
    """

    ticket: str = ""
    stop: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Silent)
    clock: Clock = field(default_factory=SystemClock)
    ask_services: bool = True


@dataclass(frozen=True)
class Work:
    """All that a change works with. ``controller``: where it is carried out, which may not be where it was planned."""

    plan: Plan
    controller: str
    network: Network
    fleet: Fleet
    texts: Texts
    redact: Callable[[str], str]
    journal: Journal
    state: Path
    options: Options


class Steps:
    """The steps of one transaction. ``seconds`` has the time of each stage so far."""

    def __init__(self, work: Work, claim: Claim) -> None:
        self._work, self._claim = work, claim
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
        """Do a step that changes something: journalled before and after, by the holder of the devices only."""
        return self._noted(step, devices, Held(self._claim, action))

    def claim(self, devices: Collection[str], take_over: Collection[str]) -> Results[None]:
        """Claim devices for the transaction; those of ``take_over`` even from a change that never ended."""
        own = {device: (device in take_over,) for device in devices}
        return self._noted("lock", devices, Each(actions.claim, (self._claim,), own))

    def _noted(self, step: str, devices: Collection[str], action: Action[T]) -> Results[T]:
        if not devices:
            return Results({}, Outcomes(()))
        with self._writing():
            self._work.journal.begin(self._claim.token, step, devices)
        results = self.look(step, devices, action)
        with self._writing():
            self._work.journal.end(self._claim.token, results.outcomes)
        return results

    def look(self, step: str, devices: Collection[str], action: Action[T]) -> Results[T]:
        """Do a step that changes nothing."""
        return self._work.fleet.run(devices, step, action, self._work.options.progress.device)

    def keep(self, texts: bytes) -> None:
        """Have the journal keep the way back."""
        self._work.journal.keep(self._claim.token, texts)

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
