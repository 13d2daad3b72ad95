from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import acts, work
from backup.duty import Book, Duty, book_of
from backup.machine import Machine
from backup.postgres import Cluster
from backup.report import Steps
from backup.repository import Layout
from backup.testing import FakeShell
from inventory import load
from netdr.kernel.errors import BackupError, BusyError, Problems, ProofError, StoppedError, UsageError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    book: Book = book_of(load.network(LINWU), "store")
    shell = FakeShell([])
    return Machine(book, Layout.under(tmp_path), shell, lambda: Cluster(shell, Path("/x")), lambda: NOON)


def duties(machine: Machine) -> tuple[Duty, ...]:
    return machine.book.select([])


def test_one_failure_stops_no_other_and_all_problems_are_told(machine: Machine) -> None:
    def act(_machine: Machine, duty: Duty, steps: Steps) -> dict[str, object]:
        with steps.step("work"):
            if duty.asset.id == "registry":
                raise Problems([ProofError("one"), BackupError("two")])
        return {"files": 1}

    lines: list[str] = []
    registry, notices = work.do(machine, "run", duties(machine), act, lines.append)
    assert [problem.what for problem in registry.problems] == ["one", "two"]
    assert (notices.ok, notices.facts, list(notices.steps)) == (True, {"files": 1}, ["work"])
    # A step that took no time is told of only when it fails.
    assert [line.partition(" … ")[0] for line in lines] == ["registry: work"]


def test_a_failed_run_is_remembered_and_a_failed_list_is_not(machine: Machine) -> None:
    def act(_machine: Machine, _duty: Duty, _steps: Steps) -> dict[str, object]:
        raise BackupError("no space left")

    for verb in ("run", "list"):
        work.do(machine, verb, duties(machine), act, lambda _: None)
    lines = machine.ledger("registry").lines()
    assert [(line.kind, dict(line.facts)) for line in lines] == [("failure", {"verb": "run", "what": "no space left"})]


def test_a_failure_that_cannot_be_remembered_is_two(machine: Machine) -> None:
    def act(_machine: Machine, _duty: Duty, _steps: Steps) -> dict[str, object]:
        raise BackupError("no space left")

    path = machine.layout.ledger("registry")
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    registry = work.do(machine, "run", duties(machine), act, lambda _: None)[0]
    assert [problem.what for problem in registry.problems] == ["no space left", "the ledger is broken"]


def test_ctrl_c_says_in_which_state_everything_is_left(machine: Machine) -> None:
    def act(_machine: Machine, _duty: Duty, _steps: Steps) -> dict[str, object]:
        raise KeyboardInterrupt

    with pytest.raises(StoppedError, match="run was stopped: snapshots that were finished stay") as caught:
        work.do(machine, "run", duties(machine), act, lambda _: None)
    assert caught.value.exit_code == 130


def test_nothing_to_do_is_a_mistake(machine: Machine) -> None:
    with pytest.raises(UsageError, match="store: nothing to verify on this host"):
        work.do(machine, "verify", [], acts.acts()["verify"], lambda _: None)


def test_a_verb_at_the_wrong_site(machine: Machine) -> None:
    report = work.do(machine, "verify", machine.book.select(["registry"]), acts.acts()["verify"], lambda _: None)[0]
    assert "the copy of registry is not on this host" in str(report.problems[0])


def test_a_service_is_held_by_one_at_a_time(machine: Machine) -> None:
    with (
        machine.alone("registry", "run"),
        machine.alone("notices", "run"),
        machine.alone("registry", "copy"),
        pytest.raises(BusyError, match="another run of registry is at work"),
        machine.alone("registry", "run"),
    ):
        pytest.fail("two runs at once")
    # Free again.
    with machine.alone("registry", "run"):
        pass


def test_options_say_on_the_command_line_what_they_are() -> None:
    assert acts.Options().argv == ()
    said = acts.Options(snapshot="abc", origin="home", at=NOON).argv
    assert said == ("--snapshot", "abc", "--from", "home", "--at", "2026-11-23T12:00:00+00:00")
