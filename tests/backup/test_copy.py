"""Which snapshots travel, how fast, and whether they arrived: the pure part of a copy."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from backup.copy import confirmed, due, missing
from backup.ledger import Line
from backup.rates import rates
from backup.restic import Rates
from backup.restic.things import copied
from inventory.asset import RateLimit

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OFFICE = RateLimit.model_validate({"start": "08:00", "end": "18:00", "upload": "50Mbit"})
NIGHT = RateLimit.model_validate({"start": "22:00", "end": "06:00", "upload": "100Mbit", "download": "4kbit"})

# What restic 0.14.0 and 0.19.1 printed on the reference machine for the same two ids.
OLD = """
snapshot 6dcffa43 of [/var/tmp/na/small] at 2026-11-23 08:34:27.000641216 +0000 UTC)
  copy started, this may take a while...
[0:00] 100.00%  2 / 2 packs copied

snapshot 9dbdd77a saved

snapshot 485ade0b of [/var/tmp/na/data] at 2026-11-23 08:28:14.749582383 +0000 UTC)
skipping source snapshot 485ade0b, was already copied to snapshot af01a00e
"""
NEW = """
snapshot b10dee68 of [/var/tmp/na/small] at 2026-11-23 08:34:33.909343054 +0000 UTC by root@vm
  copy started, this may take a while...
[0:00] 100.00%  2 / 2 packs copied
snapshot 7a8e3e7a saved, copied from source snapshot b10dee68
"""


def ledger(*events: str) -> list[Line]:
    return [
        Line(number, kind, NOON, {"id": name}, "", "")
        for number, event in enumerate(events)
        for kind, _, name in (event.partition(" "),)
    ]


@pytest.mark.parametrize(
    ("events", "here", "there", "again", "expected"),
    [
        (["snapshot a", "snapshot b"], "ab", "", False, "ab"),
        (["snapshot a", "copy a", "snapshot b"], "ab", "a", False, "b"),
        # It was there and is not: pruned at the DR site.
        (["snapshot a", "copy a", "snapshot b", "copy b"], "ab", "b", False, ""),
        (["snapshot a", "copy a", "snapshot b", "copy b"], "ab", "b", True, "a"),
        # None of ours is there: a new repository.
        (["snapshot a", "copy a", "snapshot b", "copy b"], "ab", "", False, "ab"),
        (["snapshot a", "copy a"], "a", "x", False, "a"),
        # Pruned here, or never finished here.
        (["snapshot a", "snapshot b"], "b", "", False, "b"),
        (["snapshot a"], "az", "", False, "a"),
        ([], "", "", False, ""),
    ],
)
def test_what_is_to_be_copied(events: list[str], here: str, there: str, again: bool, expected: str) -> None:
    assert due(ledger(*events), set(here), set(there), again=again) == tuple(expected)


def test_what_was_confirmed() -> None:
    assert confirmed(ledger("snapshot a", "copy b", "failure c")) == {"b"}


def test_what_both_versions_say_they_copied() -> None:
    assert copied(OLD) == {"6dcffa43": "9dbdd77a"}
    assert copied(NEW) == {"b10dee68": "7a8e3e7a"}
    # 0.14 calls it success, too.
    assert copied('Ignoring "deadbeef": no matching ID found for prefix "deadbeef"\n') == {}


def test_a_copy_that_restic_did_not_name_or_the_server_does_not_list_is_missing() -> None:
    wanted = ("6dcffa43aa", "485ade0bbb")
    assert missing(wanted, copied(OLD), ["9dbdd77add"]) == ("485ade0bbb",)
    assert missing(wanted[:1], copied(OLD), ["af01a00eee"]) == wanted[:1]
    assert missing(wanted[:1], copied(OLD), ["af01a00eee", "9dbdd77add"]) == ()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # 50 Mbit/s are 50,000,000 / 8 / 1024 = 6103 KiB/s, rounded down.
        (time(8), Rates(upload=6103)),
        (time(17, 59, 59), Rates(upload=6103)),
        (time(18), Rates()),
        (time(7, 59), Rates()),
        # Past midnight; 4 kbit/s are less than one KiB/s, and 0 would mean no limit.
        (time(22), Rates(12207, 1)),
        (time(0), Rates(12207, 1)),
        (time(5, 59), Rates(12207, 1)),
        (time(6), Rates()),
    ],
)
def test_rates_by_time_of_day(now: time, expected: Rates) -> None:
    assert rates([OFFICE, NIGHT], now) == expected


def test_without_limits_it_goes_as_fast_as_it_can() -> None:
    assert rates([], time(12)) == Rates()
