"""What one step did to one device or host: the value every fleet operation returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netdr.kernel.errors import NetdrError


@dataclass(frozen=True, slots=True)
class Outcome:
    """One device's result of one step. ``diff`` holds no secret; ``failure`` is kept as the exception."""

    device: str
    step: str
    changed: bool = False
    diff: str = ""
    seconds: float = 0.0
    failure: NetdrError | None = None

    @property
    def ok(self) -> bool:
        """Whether the step did all it should."""
        return self.failure is None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The results of one step on many devices, in the order of the devices."""

    items: tuple[Outcome, ...]

    @classmethod
    def of(cls, items: Iterable[Outcome]) -> Outcomes:
        """Return the outcomes sorted by device."""
        return cls(tuple(sorted(items, key=lambda item: item.device)))

    def __iter__(self) -> Iterator[Outcome]:
        """Yield each outcome."""
        return iter(self.items)

    def __len__(self) -> int:
        """Return the number of outcomes."""
        return len(self.items)

    @property
    def ok(self) -> bool:
        """Whether every device did all it should."""
        return all(item.ok for item in self.items)

    @property
    def failures(self) -> tuple[NetdrError, ...]:
        """Every device's failure, in the order of the devices."""
        return tuple(item.failure for item in self.items if item.failure is not None)

    @property
    def changed(self) -> tuple[str, ...]:
        """The devices that changed."""
        return tuple(item.device for item in self.items if item.changed)
