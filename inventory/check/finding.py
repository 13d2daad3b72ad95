"""What a check finds, before it is known in which file and line that stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from inventory.model import District
from inventory.source import Step


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule. ``at`` leads from the District's field to the value, such as ``("units", 3, "uplinks", 1)``."""

    at: tuple[Step, ...]
    what: str
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A rule over a district.

    ``needs`` are the District's fields that must be there in full for the answer to make sense. Of its other fields
    the check sees the entries that could be read.
    """

    find: Callable[[District], Iterable[Finding]]
    needs: frozenset[str] = frozenset()


def needing(*fields: str) -> Callable[[Callable[[District], Iterable[Finding]]], Check]:
    """Return a decorator that makes a Check of a function, with the fields it needs in full."""
    return lambda find: Check(find, frozenset(fields))
