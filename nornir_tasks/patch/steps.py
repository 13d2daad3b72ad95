"""Steps: one command each, with the section it is said in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nornir_tasks.patch.dialect import Path
from nornir_tasks.patch.model import Device, State


@dataclass(frozen=True, slots=True)
class Step:
    """A command in a section; without a command the section is only entered, which creates it."""

    section: Path
    command: str = ""


Way = Sequence[Step]


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of the change that is done as one. ``order`` says when it is tried; ``ways``, given a state, how."""

    order: tuple[int, int, Path]
    what: str
    ways: Callable[[State], Iterable[Way]]


def spoken(device: Device, way: Iterable[Step], section: Path) -> Iterator[str]:
    """Yield the commands of some steps, with those that leave and enter sections on the way, beginning in a section."""
    for step in way:
        yield from moved(device, section, step.section)
        section = step.section
        if step.command:
            yield step.command
            section = (*section, step.command) if device.opens((*section, step.command)) else section


def moved(device: Device, section: Path, to: Path) -> Iterator[str]:
    """Yield the commands that lead from one section to another."""
    shared = next(
        (place for place, (a, b) in enumerate(zip(section, to, strict=False)) if a != b), min(len(section), len(to))
    )
    yield from [device.dialect.leave] * (len(section) - shared)
    yield from to[shared:]
