import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from backup.recovery.plan import Plan, Step
from backup.recovery.run import PAUSE, Action, Done, Journal, Record, carry_out
from backup.recovery.world import Facts
from inventory.entry import Name
from netdr.kernel.errors import Problems, RecoveryError

TITLE = Name(en="a step", zh="步骤")
PLAN = Plan.of("x", [Step("a", TITLE), Step("b", TITLE, ("a",)), Step("side", TITLE), Step("c", TITLE, ("b", "side"))])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal" / "recovery.db")
    yield journal
    journal.close()


def record_order(order: list[str], name: str) -> Action:
    def act(_limit: float) -> Facts:
        order.append(name)
        return {"name": name}

    return act


def fail(_limit: float) -> Facts:
    raise RecoveryError("it broke", where="b")


def actions(order: list[str]) -> dict[str, Action]:
    return {step.id: record_order(order, step.id) for step in PLAN.steps}


def test_every_step_runs_once_after_all_it_needs(journal: Journal) -> None:
    order: list[str] = []
    told: list[Done] = []

    done = carry_out(PLAN, actions(order), Record(journal, "r1", told.append))

    assert sorted(order) == ["a", "b", "c", "side"]
    assert order.index("a") < order.index("b") < order.index("c")
    assert order.index("side") < order.index("c")
    assert told == list(done)
    assert {item.step.id: item.facts for item in done}["b"] == {"name": "b"}


def test_a_failed_step_stops_what_depends_on_it_and_nothing_else(journal: Journal) -> None:
    order: list[str] = []

    with pytest.raises(Problems) as caught:
        carry_out(PLAN, actions(order) | {"b": fail}, Record(journal, "r1", lambda _done: None))

    assert sorted(order) == ["a", "side"]
    assert "it broke" in caught.value.report()
    assert "not begun: c" in caught.value.report()


def test_the_journal_has_each_step_before_and_after(journal: Journal) -> None:
    with pytest.raises(Problems):
        carry_out(PLAN, actions([]) | {"b": fail}, Record(journal, "r1", lambda _done: None))

    rows = journal.rows("r1")
    assert rows.index(("a", "begun")) < rows.index(("a", "done")) < rows.index(("b", "begun"))
    assert ("b", "failed") in rows
    assert not [row for row in rows if row[0] == "c"]


def test_a_step_is_on_the_disk_before_it_begins(journal: Journal, tmp_path: Path) -> None:
    seen: list[list[tuple[str, str]]] = []

    def look(_limit: float) -> Facts:
        other = Journal(tmp_path / "journal" / "recovery.db")
        seen.append(other.rows("r1"))
        other.close()
        return {}

    carry_out(PLAN, actions([]) | {"a": look}, Record(journal, "r1", lambda _done: None))

    assert ("a", "begun") in seen[0]


def test_a_step_is_given_its_time_limit(journal: Journal) -> None:
    limits: list[float] = []

    def note(limit: float) -> Facts:
        limits.append(limit)
        return {}

    carry_out(Plan.of("x", [Step("a", TITLE, limit=7.5)]), {"a": note}, Record(journal, "r1", lambda _done: None))

    assert limits == [7.5]


def test_what_fails_is_tried_again_as_long_as_the_step_allows(journal: Journal) -> None:
    answers = [RecoveryError("not yet"), RecoveryError("not yet")]

    def late(_limit: float) -> Facts:
        if answers:
            raise answers.pop()
        return {"tries": 3}

    waited: list[float] = []
    record = Record(journal, "r1", lambda _done: None, waited.append)
    (done,) = carry_out(Plan.of("x", [Step("a", TITLE, retries=2)]), {"a": late}, record)

    assert done.facts == {"tries": 3}
    assert waited == [PAUSE, PAUSE]
    assert journal.rows("r1") == [("a", "begun"), ("a", "done")]


def test_after_ctrl_c_what_is_under_way_is_stopped_and_its_end_written_down(journal: Journal) -> None:
    stopped = Event()

    def interrupted(_limit: float) -> Facts:
        os.kill(os.getpid(), signal.SIGINT)
        if not stopped.wait(10):
            raise RecoveryError("nobody stopped it")
        return {"stopped": True}

    record = Record(journal, "r1", lambda _done: None, stop=stopped.set)
    with pytest.raises(KeyboardInterrupt):
        carry_out(PLAN, actions([]) | {"a": interrupted}, record)

    done = {row.step: row.facts for row in journal.history("r1") if row.state == "done"}
    assert done["a"] == {"stopped": True}
    assert not [row for row in journal.rows("r1") if row[0] == "b"]


def test_after_ctrl_c_nothing_is_begun_or_tried_again(journal: Journal) -> None:
    stopped, tries = Event(), list[str]()

    def interrupted(_limit: float) -> Facts:
        tries.append("a")
        os.kill(os.getpid(), signal.SIGINT)
        stopped.wait(10)
        raise RecoveryError("cut off")

    plan = Plan.of("x", [Step("a", TITLE, retries=5), Step("queued", TITLE)])
    record = Record(journal, "r1", lambda _done: None, lambda _seconds: None, stopped.set)
    with pytest.raises(KeyboardInterrupt):
        carry_out(plan, {"a": interrupted, "queued": record_order(tries, "queued")}, record, workers=1)

    assert tries == ["a"]
    assert journal.rows("r1") == [("a", "begun"), ("a", "failed")]
