from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backup.retention import Point, choose
from inventory.asset import Retention

# A Thursday. Its ISO week is 53, the last of 2026.
NEW_YEAR = datetime(2026, 12, 31, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = st.builds(Retention, **{name: st.integers(0, 5) for name in ("last", "hourly", "daily", "weekly", "monthly")})
POINTS = st.lists(
    st.builds(
        Point,
        st.uuids().map(str),
        st.integers(0, 90 * 24).map(lambda hours: NEW_YEAR - hours * HOUR),
        st.sampled_from(["", "", "", "future-dated"]),
    ),
    unique_by=lambda point: point.id,
    max_size=40,
)


def points(step: timedelta, count: int) -> list[Point]:
    return [Point(f"{number:03}", NEW_YEAR - number * step) for number in range(count)]


def kept(step: timedelta, count: int, rule: Retention) -> list[str]:
    return sorted(choose(points(step, count), rule, {}).keep)


def test_by_hand() -> None:
    # Every six hours for ten days: 000 is Thursday 12:00, 003 Wednesday 18:00, 007 Tuesday 18:00.
    assert kept(6 * HOUR, 40, Retention(last=2)) == ["000", "001"]
    assert kept(6 * HOUR, 40, Retention(hourly=3)) == ["000", "001", "002"]
    assert kept(6 * HOUR, 40, Retention(daily=3)) == ["000", "003", "007"]
    # Sunday 18:00 is the newest of week 52: 3 d 18 h before, the 15th step.
    assert kept(6 * HOUR, 40, Retention(weekly=2)) == ["000", "015"]
    # Daily at noon: the newest of November is its 30th, 31 days before; of October 30 days more.
    assert kept(DAY, 90, Retention(monthly=3)) == ["000", "031", "061"]
    assert kept(6 * HOUR, 40, Retention(last=2, daily=2)) == ["000", "001", "003"]


def test_each_says_why_it_is_kept() -> None:
    chosen = choose(points(DAY, 4), Retention(last=1, daily=2), {"003": "the newest proven"})
    assert dict(chosen.keep) == {"003": "the newest proven", "001": "daily 2 of 2", "000": "number 1 of last 1"}
    assert chosen.forget == ("002",)


def test_without_a_rule_the_newest_stays() -> None:
    assert kept(DAY, 5, Retention()) == ["000"]
    assert choose([], Retention(), {}).forget == ()


@given(POINTS, RULES, st.data())
def test_what_is_pinned_quarantined_or_newest_always_stays(
    found: list[Point], rule: Retention, data: st.DataObject
) -> None:
    pinned = {point.id: "held" for point in found if data.draw(st.booleans())}
    chosen = choose(found, rule, pinned)
    assert sorted([*chosen.keep, *chosen.forget]) == sorted(point.id for point in found)
    good = [point for point in found if not point.quarantine]
    newest = {max(good, key=lambda point: (point.at, point.id)).id} if good else set()
    stay = set(pinned) | newest | {point.id for point in found if point.quarantine}
    assert stay <= set(chosen.keep)
    at_most = max(1, rule.last) + rule.hourly + rule.daily + rule.weekly + rule.monthly
    assert len(set(chosen.keep) - set(pinned) - {p.id for p in found if p.quarantine}) <= at_most


@given(POINTS, RULES)
def test_what_is_quarantined_changes_nothing_for_the_others(found: list[Point], rule: Retention) -> None:
    good = [point for point in found if not point.quarantine]
    assert choose(found, rule, {}).forget == choose(good, rule, {}).forget
