"""Changes that were begun and never ended, here or at a controller whose journal is kept here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netdr.kernel.errors import BusyError, FencedError, NetdrError
from nornir_tasks import replica
from nornir_tasks.drivers.linux_verbs import commit_name
from nornir_tasks.journal import Journal, Transaction
from nornir_tasks.session import Fence


@dataclass(frozen=True, slots=True)
class Open:
    """A change that never ended: its first transaction, all of them by number, and the newest sealed texts."""

    first: Transaction
    numbers: tuple[int, ...]
    texts: bytes = field(repr=False)
    begun: bool  # whether any device may have changed
    step: str  # the last step that was begun

    @property
    def newest(self) -> int:
        """The number of its last transaction."""
        return self.numbers[-1]

    @property
    def ours(self) -> frozenset[str]:
        """The names that its commits have on the devices."""
        return frozenset(map(commit_name, self.numbers))


@dataclass(frozen=True)
class Records:
    """All journals of a state folder: this controller's own first, then those that others have sent here."""

    journals: tuple[Journal, ...]

    @property
    def last(self) -> int:
        """The highest number any of them knows."""
        return max(journal.last() for journal in self.journals)

    def open(self) -> tuple[Open, ...]:
        """Return the changes that never ended, oldest first."""
        return tuple(self._told(whole) for _, whole in sorted(self._chains().items()) if not _ended(whole))

    def close(self, begun: Open, outcome: str) -> None:
        """Write of a change that it is over, in every journal that has it."""
        for journal in self.journals:
            if journal.transaction(begun.newest):
                journal.close_transaction(begun.newest, outcome)

    def ended(self, number: int) -> bool:
        """Return whether a transaction is known to have ended."""
        chains = self._chains().values()
        return any(_ended(whole) for whole in chains if number in whole)

    def _chains(self) -> Mapping[int, Mapping[int, Transaction]]:
        """Return every change as its transactions by number, under the number of the first."""
        known: dict[int, Transaction] = {}
        for journal in reversed(self.journals):
            known |= {transaction.id: transaction for transaction in journal.latest(50)}
        found: dict[int, dict[int, Transaction]] = {}
        for number in sorted(known):
            first = number
            while known[first].continues in known:
                first = known[first].continues
            found.setdefault(first, {})[number] = known[number]
        return found

    def _told(self, whole: Mapping[int, Transaction]) -> Open:
        texts = [transaction.texts for transaction in whole.values() if transaction.texts]
        steps = [row for number in whole for row in self._home(number).steps(number)]
        begun = any(self._home(number).changed_anything(number) for number in whole)
        last = steps[-1].step if steps else "lock"
        return Open(whole[min(whole)], tuple(whole), texts[-1] if texts else b"", begun, last)

    def _home(self, number: int) -> Journal:
        return next(journal for journal in self.journals if journal.transaction(number))


def _ended(whole: Mapping[int, Transaction]) -> bool:
    """Return whether a change is over: whoever continued it last, with a higher number, had the last word."""
    return any(transaction.outcome for transaction in whole.values())


@contextmanager
def records(state: Path, own: Journal) -> Iterator[Records]:
    """Yield all journals of a state folder; ``own`` is the one that this controller writes."""
    with ExitStack() as stack:
        others = [stack.enter_context(closing(Journal(path))) for path in replica.kept(state)]
        yield Records((own, *others))


def obstacles(fences: Mapping[str, Fence], known: Records) -> tuple[NetdrError, ...]:
    """Given who holds the devices, return why a new change may not claim them: a sentence per device."""
    held = {fence.token for fence in fences.values() if fence.held}
    going_on = {token for token in held if not known.ended(token)}
    return tuple(
        BusyError(
            f"change {fence.token} of {fence.holder} holds it and has not ended",
            where=device,
            hint="wait for it; if its controller is gone: netdr deploy --status, then --resume or --abort",
        )
        for device, fence in fences.items()
        if fence.held and fence.token in going_on
    )


def released(fences: Mapping[str, Fence], numbers: Collection[int]) -> bool:
    """Given who claimed the devices of a change that seems open, return whether they say that it has ended.

    A change gives its devices free only at its end: of one that ended while nobody could be told, they know.
    """
    return any(fence.token in numbers and not fence.held for fence in fences.values())


def overtaken(fences: Mapping[str, Fence], numbers: Collection[int]) -> Mapping[str, FencedError]:
    """Given who claimed the devices of a change that is to be continued, return those that are another's by now."""
    return {
        device: FencedError(
            f"change {fence.token} of {fence.holder} has claimed it since",
            where=device,
            hint="what it did there stays; compare with `netdr diff`",
        )
        for device, fence in fences.items()
        if fence.token > max(numbers)
    }
