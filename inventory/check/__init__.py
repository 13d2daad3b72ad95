"""What must hold for a district beyond the form of its entries. One module per subject, one function per rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from inventory.addressing import Record
from inventory.check.finding import Check, Finding
from inventory.model import District

RecordCheck = Callable[[District, Record], Iterable[Finding]]

CHECKS: tuple[Check, ...] = ()
WARNINGS: tuple[Check, ...] = ()
RECORD_CHECKS: tuple[RecordCheck, ...] = ()
RECORD_WARNINGS: tuple[RecordCheck, ...] = ()
