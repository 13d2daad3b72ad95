"""A district's folder, parsed once and refused as a whole if anything in it is wrong.

``examine`` finds everything, ``district`` and ``network`` raise it. All problems of a file set come at once: a file
that cannot be parsed does not hide the mistakes of the others, and checks across files run as far as what they need is
there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inventory import record as records
from inventory.check import CHECKS, RECORD_CHECKS, RECORD_WARNINGS, WARNINGS
from inventory.check.finding import Check
from inventory.check.record import RecordCheck
from inventory.draft import FILES, Draft, draft
from inventory.model import District
from inventory.network import Network
from netdr.kernel.errors import InventoryError, NetdrError, Problems


@dataclass(frozen=True, slots=True)
class Examination:
    """What is wrong with a folder, what is worth knowing about it, and the network if nothing is wrong."""

    problems: tuple[NetdrError, ...]
    warnings: tuple[NetdrError, ...]
    network: Network | None = None


def network(folder: Path) -> Network:
    """Return the district of a folder with all its addresses. Raise Problems with everything that is wrong."""
    found = examine(folder)
    if found.network is None:
        raise Problems(found.problems)
    return found.network


def district(folder: Path) -> District:
    """Return what people wrote in a folder. Raise Problems with everything that is wrong with it."""
    found = draft(folder)
    if problems := _problems(found):
        raise Problems(problems)
    return found.district


def examine(folder: Path) -> Examination:
    """Return everything that is wrong with a folder, and everything that is merely worth knowing."""
    found = draft(folder)
    problems = _problems(found)
    warnings = _sorted(_located(found, WARNINGS))
    if problems:
        return Examination(problems, warnings)
    try:
        record = records.read(folder)
    except Problems as error:
        return Examination(_sorted(error.problems), warnings)
    problems = _sorted(_told(record, found.district, RECORD_CHECKS))
    warnings = (*warnings, *_sorted(_told(record, found.district, RECORD_WARNINGS)))
    return Examination(problems, warnings, None if problems else Network.of(found.district, record.value))


def _problems(found: Draft) -> tuple[NetdrError, ...]:
    """Return everything that is wrong with what people wrote, in the order of files and lines."""
    return _sorted((*found.problems, *_located(found, CHECKS)))


def _sorted(problems: Iterable[NetdrError]) -> tuple[NetdrError, ...]:
    return tuple(sorted(problems, key=_place))


def _place(problem: NetdrError) -> tuple[int, int]:
    path, _, line = problem.where.rpartition(":")
    if not line.isdigit():
        path, line = problem.where, "0"
    return (*FILES, records.FILE).index(Path(path).name), int(line)


def _located(found: Draft, checks: tuple[Check, ...]) -> list[NetdrError]:
    return [
        InventoryError(finding.what, where=found.where(finding.at), why=finding.why, hint=finding.hint)
        for check in checks
        if check.needs <= found.complete
        for finding in check.find(found.district)
    ]


def _told(record: records.Written, district: District, checks: Iterable[RecordCheck]) -> list[NetdrError]:
    return [
        InventoryError(finding.what, where=record.where(finding.at), why=finding.why, hint=finding.hint)
        for check in checks
        for finding in check(district, record.value)
    ]
