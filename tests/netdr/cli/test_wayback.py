"""The way back of a plan, and who has approved it, as an operator and a program read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from inventory import load
from netdr.cli import approvals, changes, config
from netdr.cli.context import Context
from netdr.kernel.errors import UsageError
from nornir_tasks import plan as plans
from nornir_tasks import testing

LINWU = Path(__file__).parents[2] / "districts/linwu"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(folder=LINWU, state_folder=tmp_path, language="en")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The rig's plan: a banner and BGP sessions come, so on the way back they go."""
    with testing.rig(load.network(LINWU), tmp_path) as rig:
        made = rig.engine.plan_change()
    (tmp_path / "plan.json").write_text(plans.dump(made))
    return tmp_path / "plan.json"


def test_the_way_back_of_a_file_takes_away_what_the_plan_brings(context: Context, file: Path) -> None:
    done = CliRunner().invoke(config.plan, ["--reverse", str(file)], obj=context)
    assert done.exit_code == 0, done.exception
    assert done.output.count("-banner welcome") == 3
    assert "+banner welcome" not in done.output
    assert "13 devices, near to far; nothing was changed" in done.output


def test_a_program_gets_the_way_back_near_to_far(context: Context, file: Path) -> None:
    done = CliRunner().invoke(config.plan, ["--json", "--reverse", str(file)], obj=context)
    told = json.loads(done.output)
    assert told["changed"][0] == "hub"
    assert {device for group in told["groups"] for device in group["devices"]} == set(told["changed"])


def test_what_is_no_plan_is_refused(context: Context, tmp_path: Path) -> None:
    for name, text in (("missing.json", None), ("bad.json", "{}"), ("raw.json", b"\xff")):
        if text is not None:
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        done = CliRunner().invoke(config.plan, ["--reverse", str(tmp_path / name)], obj=context)
        assert isinstance(done.exception, UsageError), name


def test_where_no_approval_is_needed_that_is_said(context: Context, file: Path) -> None:
    done = CliRunner().invoke(approvals.approvals, [str(file)], obj=context)
    assert done.exit_code == 0, done.exception
    assert "0 of 0 needed" in done.output
    told = json.loads(CliRunner().invoke(approvals.approvals, [str(file), "--json"], obj=context).output)
    assert (told["required"], told["approvers"], told["complete"]) == (0, [], True)


def test_an_inventory_that_moved_on_is_said_and_no_more(
    context: Context, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = replace(plans.parse(file.read_text(), str(file)), inventory="ab" * 20)
    changes.show_moved(context, made, "ab" * 20)
    assert capsys.readouterr().err == ""
    changes.show_moved(context, made, f"{'cd' * 20}+dirty:{'0f' * 32}")
    told = capsys.readouterr().err
    assert "(abababababab, now cdcdcdcdcdcd+dirty:0f0f0f0f0f0f)" in told
