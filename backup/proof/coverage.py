"""Which part of a repository to read next, and how long the byte that was read longest ago has not been: pure.

restic reads a repository in parts: of N parts, a pack file belongs to the one that the first byte of its id leaves when
divided by N (restic's manual, ``check --read-data-subset n/t``; N is at most 256).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup.ledger import Line
from inventory.asset import Proof

MOST_PARTS = 256


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack file. ``since``: when it was written here."""

    id: str
    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One of so many parts of a repository, counted from 1: ``str`` gives restic's words for it."""

    number: int
    of: int

    def __str__(self) -> str:
        """Return ``number/of``."""
        return f"{self.number}/{self.of}"

    def takes(self, byte: int) -> bool:
        """Return whether packs whose id begins with this byte are in the part."""
        return byte % self.of == self.number - 1


WHOLE = Part(1, 1)


def part(text: str) -> Part:
    """Return the part that ``str`` wrote. Raise ValueError if the text is none."""
    number, of = map(int, text.split("/"))
    if not 1 <= number <= of <= MOST_PARTS:
        raise ValueError(text)
    return Part(number, of)


def last_read(packs: Iterable[Pack], lines: Iterable[Line]) -> Mapping[str, datetime]:
    """Return, by pack id, when each pack was last read whole: when it was written, if never since.

    ``lines`` are a ledger's; those of kind ``read`` say which part was read and when.
    """
    newest = {part(line.facts["part"]): line.at for line in sorted(lines, key=_at) if line.kind == "read"}
    by_first_byte = [max((at for read, at in newest.items() if read.takes(byte)), default=None) for byte in range(256)]
    found = {pack.id: by_first_byte[first_byte(pack.id)] for pack in packs}
    return {pack.id: max(pack.since, found[pack.id] or pack.since) for pack in packs}


def oldest(packs: Sequence[Pack], lines: Iterable[Line], now: datetime) -> float:
    """Return how many seconds ago the byte was read that was read longest ago; 0 if there are none."""
    moments = last_read(packs, lines).values()
    return max(((now - moment).total_seconds() for moment in moments), default=0.0)


def next_part(packs: Sequence[Pack], lines: Iterable[Line], proof: Proof, now: datetime) -> Part:
    """Return what to read now so that every byte is read again within ``proof.read_within``.

    It is the part with the byte that was read longest ago, of so many that one proof may be missed. The whole
    repository, if more than one part would be too old by the next proof: several were missed.
    """
    of = max(1, min(MOST_PARTS, proof.read_within // proof.every - 1))
    ages = [0.0] * of
    for pack, moment in last_read(packs, lines).items():
        index = first_byte(pack) % of
        ages[index] = max(ages[index], (now - moment).total_seconds())
    if sum(age + proof.every > proof.read_within for age in ages) > 1:
        return WHOLE
    return Part(ages.index(max(ages)) + 1, of)


def first_byte(pack: str) -> int:
    """Return the first byte of a pack's id."""
    return int(pack[:2], 16)


def _at(line: Line) -> datetime:
    return line.at
