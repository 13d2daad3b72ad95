"""The device's own diff is the one that plans are compared with; adjacencies follow from what is mentioned."""

from __future__ import annotations

import pytest

from lab.fleet.text import addresses, difference
from nornir_tasks.diff import effect, unified

ONE = "#: file /etc/hostname mode=0644 owner=root:root\nhub\n"
TWO = "#: file /etc/issue.net mode=0644 owner=root:root\na\nb\nc\n"
CASES = [(ONE, ONE), (ONE, ONE + TWO), (ONE + TWO, ONE), (ONE + TWO, ONE + TWO.replace("b\n", "")), ("", TWO)]
CASES += [("plain\n", "plain\nmore\n"), (ONE, TWO), (ONE + TWO, ONE.replace("0644", "0600") + TWO)]


@pytest.mark.parametrize(("old", "new"), CASES)
def test_the_devices_own_diff_has_the_effect_that_a_plan_expects(old: str, new: str) -> None:
    assert effect(difference(old, new)) == effect(unified(old, new))


def test_only_whole_addresses_are_mentioned() -> None:
    text = "address 10.1.0.2/31\nneighbor 10.1.0.25 remote-as 65001\nversion 1.2.3.4.5\n"
    assert addresses(text) == {"10.1.0.2", "10.1.0.25"}
