"""Which part of a repository is read next: every byte within its time, whatever happens to the proofs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from backup.ledger import Line
from backup.proof import coverage
from backup.proof.coverage import WHOLE, Pack, Part
from inventory.asset import Proof

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Proof.model_validate({"every": "1d", "read_within": "30d"})


def pack(number: int, since: datetime = START) -> Pack:
    return Pack(hashlib.sha256(str(number).encode()).hexdigest(), 16_000_000, since)


def read(part: object, at: datetime) -> Line:
    return Line(1, "read", at, {"part": str(part)}, "", "")


@pytest.mark.parametrize(
    ("part", "bytes_", "others"),
    # restic's own rule: the first byte of the id modulo the number of parts, parts counted from 1.
    [(Part(1, 2), (0x00, 0xFE), (0x01, 0xFF)), (Part(3, 30), (2, 32, 242), (3, 33)), (WHOLE, (0, 1, 255), ())],
)
def test_parts_are_restics(part: Part, bytes_: Iterable[int], others: Iterable[int]) -> None:
    assert all(part.takes(byte) for byte in bytes_)
    assert not any(part.takes(byte) for byte in others)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/257", "x/2", "1"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        coverage.part(text)


def test_a_pack_is_as_old_as_its_last_reading_and_before_that_as_itself() -> None:
    first, second = Pack("00" * 32, 1, START), Pack("01" * 32, 1, START)
    lines = [read("1/2", START + DAY), read("1/2", START + 3 * DAY), read("1/2", START + 2 * DAY)]
    assert coverage.last_read([first, second], lines) == {first.id: START + 3 * DAY, second.id: START}
    assert coverage.oldest([first, second], lines, START + 4 * DAY) == 4 * 86400
    assert coverage.oldest([first], lines, START + 4 * DAY) == 86400
    assert coverage.oldest([], lines, START) == 0


def test_what_came_after_a_reading_has_not_been_read() -> None:
    late = Pack("00" * 32, 1, START + 5 * DAY)
    assert coverage.last_read([late], [read(WHOLE, START + DAY)]) == {late.id: START + 5 * DAY}


@pytest.mark.parametrize("seed", range(3))
def test_every_byte_is_read_within_its_time(seed: int) -> None:
    """Half a year of daily proofs, up to ten minutes early or late, with new packs every day and one proof missed."""
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
    packs, lines, wholes = [pack(number) for number in range(300)], [], 0
    for day in range(180):
        if day == 90:
            continue
        now = START + day * DAY + timedelta(seconds=chance.randint(-600, 600))
        packs += [pack(1000 + day * 5 + number, now - timedelta(hours=1)) for number in range(5)]
        assert coverage.oldest(packs, lines, now) <= POLICY.read_within + 600
        part = coverage.next_part(packs, lines, POLICY, now)
        wholes += part == WHOLE
        lines.append(read(part, now))
    assert wholes <= 1, "a thirtieth a day is enough"


def test_after_a_long_silence_everything_is_read() -> None:
    packs = [pack(number) for number in range(100)]
    assert coverage.next_part(packs, [], POLICY, START + 60 * DAY) == WHOLE
    assert coverage.next_part(packs, [read(WHOLE, START + 60 * DAY)], POLICY, START + 61 * DAY).of == 29


def test_an_empty_repository_has_a_part_too() -> None:
    assert coverage.next_part([], [], POLICY, START) == Part(1, 29)
    rare = Proof.model_validate({"every": "30d", "read_within": "30d"})
    assert coverage.next_part([], [], rare, START) == WHOLE
