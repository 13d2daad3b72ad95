"""The standards as data: the levels of GB/T 20988 by edition, and the clauses that a run gives evidence for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from inventory import explain, source
from inventory.entry import Duration, Entry, Id, Name
from netdr.kernel.errors import InventoryError, Problems

FOLDER = Path(str(files("backup.recovery.report"))) / "standards"

Sent = Literal["carried", "batches", "realtime", "lossless"]
# Each of them is also what comes before it.
SENT: tuple[Sent, ...] = ("carried", "batches", "realtime", "lossless")

_Kind = TypeVar("_Kind", bound=Entry)


class Element(Entry):
    """One of the elements that must all reach a level."""

    id: Id
    name: Name


class Data(Entry):
    """What a level asks of the data element: a copy so often, off site, and how it gets there."""

    every: Duration
    sent: Sent


class Level(Entry):
    """One level. ``rto`` and ``rpo`` are the most that it allows; ``lossless``: nothing may be lost."""

    level: Annotated[int, Field(ge=1, le=6)]
    name: Name
    rto: Duration | None = None
    rpo: Duration | None = None
    lossless: bool = False
    data: Data
    confirmed: bool


class Standard(Entry):
    """An edition of the standard. ``note`` says what is not sure about it."""

    id: str
    edition: int
    title: Name
    note: Name
    elements: tuple[Element, ...]
    levels: tuple[Level, ...]

    def confirmed(self, level: int) -> bool:
        """Return whether a level and all below it were compared with a source; 0 asks for nothing."""
        return all(row.confirmed for row in self.levels[:level])


class Clause(Entry):
    """A clause of another standard; ``check`` names what speaks to it."""

    id: str
    standard: str
    demands: Name
    check: Id
    confirmed: bool


class _Clauses(Entry):
    clauses: tuple[Clause, ...]


@cache
def editions() -> tuple[Standard, ...]:
    """Return every edition of GB/T 20988 that is known, the oldest first."""
    found = (_read(path, Standard) for path in FOLDER.glob("gbt-20988-*.yaml"))
    return tuple(sorted(found, key=lambda standard: standard.edition))


@cache
def clauses() -> tuple[Clause, ...]:
    """Return the clauses in the order of their file."""
    return _read(FOLDER / "clauses.yaml", _Clauses).clauses


def names(standard: Standard) -> Mapping[str, Name]:
    """Return the elements' names by id."""
    return {element.id: element.name for element in standard.elements}


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    document = source.read(path)
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        raise Problems(
            InventoryError(mistake.what, where=document.where(mistake.steps), why=mistake.why)
            for mistake in explain.mistakes(kind, error)
        ) from error
