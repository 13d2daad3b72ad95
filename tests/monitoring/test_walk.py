from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.snmp import Oid, SnmpError, Value
from monitoring.walk import walk

END = (2, 0)


class Bulks:
    """GETBULK as RFC 3416, 4.2.3 says it: row by row, next instance per column, cut off after ``room`` variables."""

    def __init__(self, instances: Sequence[Oid], room: int = 10_000) -> None:
        self._instances = sorted(instances)
        self._room = room
        self.asked: list[tuple[int, int]] = []

    async def __call__(self, places: Sequence[Oid], repetitions: int) -> Sequence[tuple[Oid, Value | None]]:
        self.asked.append((len(places), repetitions))
        answer: list[tuple[Oid, Value | None]] = []
        now = list(places)
        for _ in range(repetitions):
            for column, place in enumerate(now):
                at = bisect_right(self._instances, place)
                if at == len(self._instances):
                    answer.append((place, None))
                else:
                    now[column] = self._instances[at]
                    answer.append((now[column], sum(now[column])))
        return answer[: self._room]


def read(bulk: Bulks, roots: Sequence[Oid], rows: int | None = None, repetitions: int = 25) -> list[Oid]:
    return [varbind.oid for varbind in asyncio.run(walk(bulk, roots, rows, repetitions, "test"))]


COLUMN = st.integers(min_value=1, max_value=4)
INSTANCES = st.sets(st.tuples(st.just(1), COLUMN, st.integers(0, 30)), max_size=40)


@given(INSTANCES, st.sets(COLUMN, min_size=1), st.integers(1, 30), st.integers(1, 9), st.none() | st.integers(0, 20))
def test_finds_every_instance_however_answers_are_cut(
    instances: set[Oid], columns: set[int], room: int, repetitions: int, rows: int | None
) -> None:
    roots = [(1, column) for column in sorted(columns)]
    wanted = sorted(oid for oid in instances if oid[:2] in roots)
    assert read(Bulks([*instances, END], room), roots, rows, repetitions) == wanted
    assert read(Bulks([*instances], room), roots, rows, repetitions) == wanted


def test_a_table_of_known_length_takes_one_request() -> None:
    bulk = Bulks([(1, column, row) for column in (1, 2, 3) for row in range(7)])
    assert len(read(bulk, [(1, 1), (1, 2)], rows=7)) == 14
    assert bulk.asked == [(2, 8)]


def test_the_rest_of_a_cut_answer_is_asked_for_and_no_more() -> None:
    bulk = Bulks([(1, column, row) for column in (1, 2, 3) for row in range(7)], room=10)
    read(bulk, [(1, 1), (1, 2)], rows=7)
    assert bulk.asked == [(2, 8), (2, 3)]


def test_a_column_that_is_over_is_not_asked_for_again() -> None:
    bulk = Bulks([(1, 1, 0), *((1, 2, row) for row in range(6)), END])
    read(bulk, [(1, 1), (1, 2)], repetitions=3)
    assert bulk.asked == [(2, 3), (1, 3), (1, 3)]


def test_an_agent_that_answers_in_a_circle_is_named() -> None:
    async def circle(places: Sequence[Oid], repetitions: int) -> Sequence[tuple[Oid, Value | None]]:  # noqa: ARG001
        return [((1, 1, 5), 1)]

    with pytest.raises(SnmpError, match=r"10\.0\.0\.9: not increasing: 1\.1\.5 after 1\.1\.5") as raised:
        asyncio.run(walk(circle, [(1, 1)], None, 1, "10.0.0.9"))
    assert raised.value.cause == "not-increasing"


def test_an_empty_answer_ends_the_walk() -> None:
    async def empty(places: Sequence[Oid], repetitions: int) -> Sequence[tuple[Oid, Value | None]]:  # noqa: ARG001
        return []

    with pytest.raises(SnmpError, match="empty answer"):
        asyncio.run(walk(empty, [(1, 1)], None, 1, "10.0.0.9"))
