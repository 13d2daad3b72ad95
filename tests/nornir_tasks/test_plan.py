"""Plans: the order of waves, the file, what they are pinned to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory.network import Network
from netdr.kernel.errors import DriftError, Problems, UsageError
from nornir_tasks.diff import unified
from nornir_tasks.plan import Observed, Plan, Setting, dump, make, narrowed, parse, pinned, waves

AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def plan(linwu: Network) -> Plan:
    texts = {"hub": ("a\n", "b\n"), "ring-s": ("a\n", "b\n"), "acc-ferry": ("a\n", "b\n"), "ring-n": ("b\n", "b\n")}
    seen = {device: Observed(old, new, unified(old, new), "commit-confirm") for device, (old, new) in texts.items()}
    return make(linwu, Setting("warden", {"registry": "hall"}, checks=("true",)), seen, AT)


def test_far_devices_come_first(plan: Plan) -> None:
    assert plan.waves == (("acc-ferry",), ("ring-s",), ("hub",))
    assert plan.changed == ("acc-ferry", "ring-s", "hub")


def test_a_device_with_no_known_way_comes_before_all() -> None:
    assert waves({"near": 1, "far": 3}, ["near", "far", "lost"]) == (("lost",), ("far",), ("near",))


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
