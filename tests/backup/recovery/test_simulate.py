"""Graphs and expected times, against sums done by hand."""

import re

import pytest

from backup.recovery import graph, scenario, simulate
from backup.recovery.plan import Plan, Step
from backup.recovery.run import Row
from inventory.entry import Name

TITLE = Name(en='a "step"', zh="步骤")
# detect ─► fast ─► switch ─► verify:cases
#        └► slow ─┘
PLAN = Plan.of(
    "x",
    [
        Step("detect", TITLE, limit=10, phase="detect"),
        Step("decide", TITLE, ("detect",), limit=600, phase="decide", decides="person"),
        Step("fast", TITLE, ("decide",), limit=20),
        Step("slow", TITLE, ("decide",), limit=30),
        Step("switch", TITLE, ("fast", "slow"), limit=40),
        Step("verify:cases", TITLE, ("switch",), limit=5, service="cases", phase="verify"),
    ],
)


def rows(step: str, *seconds: float, run: str = "r") -> list[Row]:
    found = []
    for number, took in enumerate(seconds):
        at = 1000.0 * number
        found += [Row(f"{run}{number}", step, "begun", at, {}), Row(f"{run}{number}", step, "done", at + took, {})]
    return found


def test_a_layer_needs_only_earlier_ones() -> None:
    found = [[step.id for step in layer] for layer in graph.layers(PLAN)]
    assert found == [["detect"], ["decide"], ["fast", "slow"], ["switch"], ["verify:cases"]]


def test_the_longest_way_is_that_of_the_slower_branch() -> None:
    seconds = {"detect": 1.0, "decide": 0.0, "fast": 5.0, "slow": 2.0, "switch": 1.0, "verify:cases": 1.0}
    assert graph.longest(PLAN, seconds) == ("detect", "decide", "fast", "switch", "verify:cases")
    assert graph.longest(PLAN, {**seconds, "slow": 9.0})[2] == "slow"
    assert graph.longest(PLAN, seconds, "slow") == ("detect", "decide", "slow")


def test_all_that_comes_before_a_step_is_known() -> None:
    assert graph.ancestors(PLAN)["switch"] == {"detect", "decide", "fast", "slow"}


def test_the_drawing_has_every_step_and_every_need() -> None:
    plan = scenario.load_all()["failback"].plan(["cases", "files"])
    drawn = graph.dot(plan, "en")
    assert set(re.findall(r'^  "([^"]+)" \[', drawn, re.MULTILINE)) == {step.id for step in plan.steps}
    arrows = set(re.findall(r'^  "([^"]+)" -> "([^"]+)";$', drawn, re.MULTILINE))
    assert arrows == {(need, step.id) for step in plan.steps for need in step.needs}
    assert drawn.count("{") == drawn.count("}") == 1
    assert "label=\"a 'step'" in graph.dot(PLAN, "en")


def test_what_never_ran_counts_with_its_limit_and_is_named() -> None:
    way = simulate.ways(PLAN, simulate.expected(PLAN, []))["cases"]
    assert way.steps == ("detect", "decide", "slow", "switch", "verify:cases")
    # 10 + 600 + 30 + 40 + 5
    assert (way.median, way.worst, way.people) == (685, 685, 600)
    assert way.guessed == way.steps


def test_past_runs_say_what_to_expect() -> None:
    past = [
        *rows("detect", 1, 2, 3),
        *rows("decide", 60),
        *rows("fast", 8, 10),
        *rows("slow", 4),
        *rows("switch", 2, 2, 7),
        *rows("verify:cases", 0.5),
    ]
    way = simulate.ways(PLAN, simulate.expected(PLAN, past))["cases"]
    assert way.steps == ("detect", "decide", "fast", "switch", "verify:cases")
    # Medians 2 + 60 + 9 + 2 + 0.5, worst 3 + 60 + 10 + 7 + 0.5
    assert (way.median, way.worst, way.people, way.guessed) == (73.5, 80.5, 60, ())


def test_only_the_last_ten_runs_count() -> None:
    known = simulate.expected(PLAN, rows("fast", 500, *range(1, 11)))
    assert known["fast"] == simulate.Expected(5.5, 10, 10)


@pytest.mark.parametrize("state", ["failed", ""])
def test_what_did_not_end_well_says_nothing(state: str) -> None:
    past = [Row("r", "fast", "begun", 0, {}), *([Row("r", "fast", state, 3, {})] if state else [])]
    assert simulate.expected(PLAN, past)["fast"].runs == 0


def test_of_a_step_that_was_repeated_the_try_that_ended_counts() -> None:
    past = [Row("r", "fast", "begun", 0, {}), Row("r", "fast", "begun", 100, {}), Row("r", "fast", "done", 104, {})]
    assert simulate.expected(PLAN, past)["fast"] == simulate.Expected(4, 4, 1)
