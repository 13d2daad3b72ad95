import pytest

from backup.recovery import graph, scenario
from backup.recovery.plan import Plan, Step
from inventory.entry import Name
from netdr.kernel.errors import RecoveryError

TITLE = Name(en="a step", zh="步骤")


def position(plan: Plan, step: str) -> int:
    return [item.id for item in plan.steps].index(step)


def test_steps_come_after_all_they_need() -> None:
    plan = Plan.of("x", [Step("c", TITLE, ("a", "b")), Step("b", TITLE, ("a",)), Step("a", TITLE)])

    assert [step.id for step in plan.steps] == ["a", "b", "c"]


def test_an_unknown_need_lists_the_known_steps() -> None:
    with pytest.raises(RecoveryError, match="unknown step 'z'; known: a, b"):
        Plan.of("x", [Step("a", TITLE, ("z",)), Step("b", TITLE)])


def test_steps_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(RecoveryError, match="wait for each other"):
        Plan.of("x", [Step("a", TITLE, ("b",)), Step("b", TITLE, ("a",))])


def test_twins_are_refused() -> None:
    with pytest.raises(RecoveryError, match="same id"):
        Plan.of("x", [Step("a", TITLE), Step("a", TITLE)])


def test_failover_fences_before_it_starts_and_no_service_waits_for_another() -> None:
    plan = scenario.load_all()["server-room-lost"].plan(["approval", "portal"])
    before = graph.ancestors(plan)

    assert {"detect", "decide", "fence"} <= before["switch"]
    assert not [name for name in before["verify:approval"] if name.endswith(":portal")]
    for service in ("approval", "portal"):
        assert position(plan, "fence") < position(plan, f"start:{service}")
        assert position(plan, "detect") < position(plan, f"restore:{service}")
        assert position(plan, "switch") < position(plan, f"verify:{service}")


def test_failback_stops_writing_before_it_carries_the_data() -> None:
    plan = scenario.load_all()["failback"].plan(["approval"])

    order = [step.id for step in plan.steps]
    assert order[:5] == ["ready", "decide", "quiet:approval", "withdraw", "freeze:approval"]
    assert order[5:] == ["carry:approval", "record", "start:approval", "switch", "verify:approval"]


def test_each_step_counts_as_a_phase_of_the_recovery() -> None:
    phases = {step.id: step.phase for step in scenario.load_all()["server-room-lost"].plan(["approval"]).steps}

    assert phases == {
        "detect": "detect",
        "decide": "decide",
        "fence": "fence",
        "restore:approval": "fetch",
        "start:approval": "start",
        "switch": "switch",
        "verify:approval": "verify",
    }
