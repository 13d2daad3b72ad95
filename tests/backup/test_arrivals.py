from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup import arrivals
from backup.arrivals import Arrival
from backup.ledger import Ledger
from backup.restic import Snapshot
from backup.retention import Point, choose
from inventory.asset import Retention

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 16, 2, tzinfo=UTC)
NOBODY: set[str] = set()


def came(name: str, claimed: datetime, stored: datetime) -> Arrival:
    return Arrival(name, f"source of {name}", claimed, claimed, stored, stored, "m", "srv-a")


def why(judged: Sequence[Arrival]) -> dict[str, str]:
    return {one.id: one.quarantine.partition(":")[0] for one in judged if one.quarantine}


def days(count: int) -> list[Arrival]:
    return [came(f"real {n}", MONDAY + n * DAY, MONDAY + n * DAY + timedelta(minutes=3)) for n in range(count)]


def test_on_time() -> None:
    assert why(arrivals.judge(days(5), (), NOBODY)) == {}


@pytest.mark.parametrize(
    ("ahead", "found"), [(timedelta(minutes=4), {}), (timedelta(minutes=6), {"x": "future-dated"})]
)
def test_future_dated_by_more_than_the_clocks_may_differ(ahead: timedelta, found: dict[str, str]) -> None:
    assert why(arrivals.judge([came("x", MONDAY + ahead, MONDAY)], (), NOBODY)) == found


def test_back_dated_when_newer_ones_were_there_long_before() -> None:
    real = days(5)
    fake = came("fake", MONDAY + HOUR, MONDAY + 5 * DAY)
    judged = arrivals.judge([fake], arrivals.judge(real, (), NOBODY), NOBODY)
    assert why(judged) == {"fake": "back-dated"}
    assert "it came 119.0 h after the time it claims" in judged[0].quarantine


def test_a_line_that_was_down_for_days_explains_a_late_batch() -> None:
    """Four days arrive together, the newest first."""
    night = MONDAY + 4 * DAY
    late = [came(f"late {n}", MONDAY + n * DAY, night + timedelta(minutes=10 - n)) for n in range(4)]
    assert why(arrivals.judge(late, (), NOBODY)) == {}


def test_a_skipped_copy_that_was_known_of_may_come_later() -> None:
    """The home ledger told of it before; a skipped copy is copied again when it is missed."""
    skipped = came("skipped", MONDAY + HOUR, MONDAY + 5 * DAY)
    before = arrivals.judge(days(5), (), NOBODY)
    assert why(arrivals.judge([skipped], before, {skipped.source})) == {}


def test_what_is_quarantined_overtakes_nobody() -> None:
    future = arrivals.judge([came("future", MONDAY + 30 * DAY, MONDAY)], (), NOBODY)
    assert why(future) == {"future": "future-dated"}
    assert why(arrivals.judge([came("real", MONDAY + 2 * DAY, MONDAY + 4 * DAY)], future, NOBODY)) == {}


def test_a_file_time_later_than_the_first_look_is_not_believed() -> None:
    one = Arrival("x", "s", MONDAY, MONDAY, MONDAY + 9 * DAY, MONDAY + HOUR, "m", "h")
    assert one.at == MONDAY + HOUR


def test_arrivals_come_back_from_the_ledger_until_a_person_releases_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    judged = arrivals.judge([*days(1), came("future", MONDAY + DAY, MONDAY)], (), NOBODY)
    ledger.extend("arrival", ((one.seen, one.facts()) for one in judged))
    assert arrivals.read(ledger.lines()) == judged
    found = [Snapshot(name, MONDAY, "srv-a", (), f"source of {name}") for name in ("real 0", "future", "not seen yet")]
    assert [one.id for one in arrivals.counted(found, ledger.lines())] == ["real 0", "not seen yet"]
    ledger.add("release", MONDAY, {"snapshot": "source of future", "by": "a person", "why": "clock was wrong"})
    assert len(arrivals.counted(found, ledger.lines())) == 3


def test_the_spoof_that_fools_restic_forgets_nothing_real() -> None:
    """Five daily snapshots and five empty ones, dated 23:00 of the same days, that all came on the last one.

    ``restic forget --keep-daily 7`` keeps the five empty ones and drops four of the real ones (measured).
    """
    real = days(5)
    spoofed = MONDAY + 4 * DAY + 10 * HOUR
    fakes = [came(f"fake {n}", MONDAY + n * DAY + 21 * HOUR, spoofed + n * timedelta(seconds=20)) for n in range(5)]
    judged = arrivals.judge([*real, *fakes], (), NOBODY)
    assert why(judged) == {f"fake {n}": "back-dated" for n in range(4)} | {"fake 4": "future-dated"}
    chosen = choose([Point(one.id, one.at, one.quarantine) for one in judged], Retention(daily=7), {})
    assert chosen.forget == ()
    assert [chosen.keep[one.id] for one in real] == [f"daily {n} of 7" for n in range(5, 1, -1)] + [
        "number 1 of last 1"
    ]
