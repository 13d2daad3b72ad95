"""``netdr dr`` as an operator and a program meet it: plans, state, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backup.recovery.run import Journal
from netdr.cli.context import Context
from netdr.cli.dr import dr
from netdr.cli.drrun import journal_of
from netdr.kernel.errors import Problems, RecoveryError, UsageError

LINWU = Path(__file__).parents[2] / "districts/linwu"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(folder=LINWU, state_folder=tmp_path, language="en")


def run(context: Context, *words: str) -> Result:
    return CliRunner().invoke(dr, list(words), obj=context)


def test_the_plans_are_listed_in_the_reader_s_language(context: Context, tmp_path: Path) -> None:
    assert "server-room-lost    the server room is lost" in run(context, "plan", "list").output
    chinese = Context(folder=LINWU, state_folder=tmp_path, language="zh")
    assert "主站点（机房）失效" in run(chinese, "plan", "list").output
    listed = json.loads(run(context, "plan", "list", "--json").output)
    assert listed["failback"]["moves"] == "home"


def test_a_plan_is_drawn_in_layers(context: Context) -> None:
    lines = run(context, "plan", "show", "server-room-lost").output.splitlines()
    assert lines[0] == "layer 1"
    assert lines[1].split()[:2] == ["detect", "detect"]
    assert [line for line in lines if "restore:registry" in line and "≤ 20m" in line]
    assert [line for line in lines if "decides: person" in line]
    assert run(context, "plan", "show", "failback", "--dot").output.startswith('digraph "failback" {')
    steps = json.loads(run(context, "plan", "show", "failback", "--json").output)["steps"]
    assert steps[0]["id"] == "ready"


def test_the_plans_are_in_order(context: Context) -> None:
    done = run(context, "plan", "lint")
    assert done.exit_code == 0
    assert "9 plans, no problems" in done.output


def test_a_bad_plan_of_the_district_is_told_with_its_line(tmp_path: Path) -> None:
    district = tmp_path / "linwu"
    district.mkdir()
    for path in LINWU.glob("*.yaml"):
        (district / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (district / "plans").mkdir()
    (district / "plans/office-fire.yaml").write_text(
        "title: {zh: 火灾, en: fire}\n"
        "steps:\n"
        "  - id: stop\n"
        "    title: {zh: 停止, en: stop}\n"
        "    phase: fence\n"
        "    does: stop-active\n"
        "    limit: 1m\n",
        encoding="utf-8",
    )
    done = run(Context(district, tmp_path / "state", "en"), "plan", "lint", "office-fire")
    assert isinstance(done.exception, Problems)
    told = done.exception.report()
    assert done.exception.exit_code == 3
    assert "plans/office-fire.yaml:3: step 'stop' changes something and has no way back" in told
    assert "step 'stop' changes something before anybody has decided" in told
    assert "3 problems" in told


def test_the_rto_to_expect_is_made_of_past_runs(context: Context) -> None:
    guessed = json.loads(run(context, "plan", "simulate", "server-room-lost", "--json").output)
    # By the limits: detect 60 + decide 3600 + restore 1200 + start 120 + verify 60; the switch is beside them.
    assert guessed["services"]["notices"]["median"] == 5040
    assert guessed["services"]["notices"]["people"] == 3600

    journal = Journal(journal_of(context))
    journal.write("one", "decide", "begun", {})
    journal.write("one", "decide", "done", {})
    journal.close()
    known = json.loads(run(context, "plan", "simulate", "server-room-lost", "--json").output)
    assert known["steps"]["decide"]["runs"] == 1
    # The same without the decision, which took no time.
    assert 1440 <= known["services"]["notices"]["median"] < 1441
    told = run(context, "plan", "simulate", "server-room-lost").output
    assert "never run, so their limits count: detect, restore:" in told


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (("plan", "show", "fire"), UsageError, "unknown scenario 'fire'; known: aggregation-lost"),
        (("run", "fire", "--yes"), UsageError, "unknown scenario 'fire'"),
        (("failback", "--yes"), RecoveryError, "failback is not possible now: the state is 'protected'"),
        (("commit", "--yes"), RecoveryError, "commit is not possible now"),
        (("undo", "--yes"), RecoveryError, "undo is not possible now"),
        (("resume",), RecoveryError, "nothing to resume"),
        (("failover",), UsageError, "nobody to ask whether to go on"),
        (("run", "ransomware"), UsageError, "nobody to ask whether to go on"),
        (("run", "database-corrupted", "--yes"), UsageError, "needs a moment"),
        (("failover", "mail", "--yes"), UsageError, "unknown service 'mail'; known: notices, registry"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_touched(
    context: Context, tmp_path: Path, words: tuple[str, ...], kind: type[Exception], told: str
) -> None:
    done = run(context, *words)
    assert isinstance(done.exception, kind), done.exception
    assert told in str(done.exception)
    assert not (tmp_path / "placement.json").exists()
    assert not (tmp_path / "reports").exists()
