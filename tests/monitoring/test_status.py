from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from monitoring.status import Alert, Watcher, wait
from netdr.kernel.errors import MonitorError

LINK_DOWN = Alert("LinkDown", "critical", False, "2026-11-23T01:00:00Z", {"link": "a--b", "end_a": "a"}, "down", "中断")
# RFC 863's port: nothing listens there.
NOBODY = "127.0.0.1:9"


def test_the_time_is_counted_from_the_given_moment() -> None:
    assert 100 <= wait("nothing", list, timeout_s=0, since=time.time() - 100) < 101


def test_waiting_ends_when_nothing_is_in_the_way() -> None:
    left = ["one", "two"]

    def fewer() -> Iterable[str]:
        left.pop()
        return left

    wait("both", fewer, timeout_s=5, since=time.time())
    assert left == []


def test_what_was_in_the_way_is_told_and_long_lists_are_cut() -> None:
    with pytest.raises(MonitorError, match=r"not within 0 s: all: 0; 1; 2; 3; 4 and 3 more"):
        wait("all", lambda: map(str, range(8)), timeout_s=0, since=time.time())


def test_a_server_that_does_not_answer_is_in_the_way() -> None:
    with pytest.raises(MonitorError, match=r"every target up: http://127\.0\.0\.1:9/.*: no answer: .*refused"):
        Watcher(prometheus=NOBODY).wait_targets_up(timeout_s=0, since=time.time())


def test_asking_a_server_that_does_not_answer_gives_a_hint() -> None:
    with pytest.raises(MonitorError, match="no answer") as raised:
        Watcher(alertmanager=NOBODY).alerts()
    assert "does it run on this machine" in raised.value.report()


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("LinkDown", {}, True),
        ("LinkDown", {"link": "a--b"}, True),
        ("LinkDown", {"link": "a--c"}, False),
        ("LinkDown", {"device": "a"}, False),
        ("DeviceUnreachable", {}, False),
    ],
)
def test_an_alert_is_known_by_name_and_all_labels(name: str, labels: dict[str, str], expected: bool) -> None:
    assert LINK_DOWN.matches(name, labels) is expected
