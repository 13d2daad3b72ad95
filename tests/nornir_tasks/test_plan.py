"""Plans: the order of waves, the file, what they are pinned to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory.network import Network
from netdr.kernel.errors import DriftError, Problems, UsageError
from nornir_tasks.diff import unified
from nornir_tasks.plan import Observed, Plan, Setting, Timers, dump, make, narrowed, parse, pinned

AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def plan(linwu: Network) -> Plan:
    texts = {"hub": ("a\n", "b\n"), "ring-s": ("a\n", "b\n"), "acc-ferry": ("a\n", "b\n"), "ring-n": ("b\n", "b\n")}
    seen = {device: Observed(old, new, unified(old, new), "commit-confirm") for device, (old, new) in texts.items()}
    return make(linwu, Setting("warden", {"registry": "hall"}, checks=("true",)), seen, AT)


def test_far_devices_come_first(plan: Plan) -> None:
    assert plan.waves == (("acc-ferry",), ("ring-s",), ("hub",))
    assert plan.changed == ("acc-ferry", "ring-s", "hub")


@pytest.mark.parametrize(
    ("waves", "seconds", "revert"),
    [
        # Nothing measured: four seconds a device, at least two minutes.
        ([["a"], ["b"]], {}, 120),
        ([["a"] * 41], {}, 164),
        # Twice the longest of each wave, 30 s a gate, 45 s to settle, 10 s in reserve.
        ([["a", "b"], ["c"]], {"a": 1.0, "b": 10.0, "c": 2.5}, 2 * 10 + 30 + 2 * 2.5 + 30 + 45 + 10),
        # One that was never measured counts as the slowest that was.
        ([["a"], ["b"]], {"a": 20.2}, 41 + 30 + 40 + 30 + 45 + 10),
        ([["a"]], {"a": 1.0}, 120),
        ([["a"]], {"a": 3600.0}, 900),
        ([], {}, 120),
    ],
)
def test_timers_grow_with_what_was_measured(waves: list[list[str]], seconds: dict[str, float], revert: float) -> None:
    assert Timers.of(waves, seconds).revert == revert


def test_a_plan_says_what_it_was_made_from_and_by_whom(linwu: Network) -> None:
    seen = {"hub": Observed("a\n", "b\n", unified("a\n", "b\n"), "commit-confirm")}
    made = make(linwu, Setting("warden", {}, inventory="1234abcd", author="li@warden"), seen, AT)
    assert (made.inventory, made.author, made.notes) == ("1234abcd", "li@warden", ())
    assert parse(dump(made), "plan.json") == made


def test_a_file_gives_the_same_plan_back(plan: Plan) -> None:
    assert parse(dump(plan), "plan.json") == plan


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 0}', '{"format": 1}', '{"format": 1, "id": 1}', "\x00"])
def test_what_is_not_a_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"plan\.json"):
        parse(text, "plan.json")


def test_another_intent_is_refused_for_every_device_it_is_about(plan: Plan) -> None:
    with pytest.raises(Problems) as caught:
        pinned(plan, {"hub": "b\n", "ring-s": "c\n", "acc-ferry": "b\n"})
    assert [(type(problem), problem.where) for problem in caught.value.problems] == [
        (DriftError, "ring-s"),
        (DriftError, "ring-n"),
    ]
    pinned(plan, dict.fromkeys(plan.devices, "b\n"))


def test_a_plan_can_be_narrowed_to_what_is_in_it(plan: Plan) -> None:
    small = narrowed(plan, ["hub", "ring-n"])
    assert (small.waves, set(small.devices)) == ((("hub",),), {"hub", "ring-n"})
    with pytest.raises(UsageError, match="ring-l"):
        narrowed(plan, ["ring-l"])
