"""What an operator and a program are told about a change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from inventory import load
from inventory.network import Network
from netdr.cli import changes, deploy
from netdr.cli.context import Context
from netdr.kernel.errors import RefusedError, StoppedError
from netdr.kernel.language import Language
from nornir_tasks import testing
from nornir_tasks.report import End, Report, Result

LINWU = Path(__file__).parents[2] / "districts/linwu"


def context(language: Language) -> Context:
    return Context(folder=None, state_folder=None, language=language)


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


REPORTS: list[tuple[Result, dict[str, End], str, str]] = [
    ("nothing", {"a": End("unchanged")}, "nothing to do: all 1 devices", "无需变更：1 台设备"),
    (
        "done",
        {"a": End("changed"), "b": End("unchanged")},
        "2 devices: 1 changed and read back, 1 as",
        "1 台已变更并回读",
    ),
    ("refused", {"a": End("untouched")}, "given up before anything was changed", "没有任何设备被改动"),
    ("restored", {"a": End("restored")}, "every changed device (1) has its previous", "1 台已变更设备全部恢复"),
    ("mixed", {"a": End("restored"), "b": End("unknown", "no answer")}, "NOT KNOWN: b", "状态未知：b"),
]


@pytest.mark.parametrize(("result", "devices", "english", "chinese"), REPORTS)
def test_how_a_change_ended_is_said_in_both_languages(
    result: Result, devices: dict[str, End], english: str, chinese: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report("p", 1, result, devices, {})
    changes.show_report(context("en"), report)
    assert english in capsys.readouterr().out
    changes.show_report(context("zh"), report)
    assert chinese in capsys.readouterr().out


def test_failures_go_to_standard_error_with_where_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    failure = RefusedError("it refuses the configuration", where="hub", why="line 7: no such command")
    changes.show_report(context("en"), Report("p", 1, "refused", {}, {}, (failure,)))
    assert "netdr: hub: it refuses the configuration: line 7: no such command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failures", "code"), [((), 0), ((RefusedError("no"), StoppedError("x")), 6), ((StoppedError("x"),), 130)]
)
def test_the_exit_code_is_the_first_failures(failures: tuple[RefusedError, ...], code: int) -> None:
    assert changes.exit_code(Report("p", 1, "done", {}, {}, failures)) == code


def test_a_plan_shows_identical_changes_once_and_the_order(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with testing.rig(network, tmp_path) as rig:
        changes.show_plan(context("en"), network, rig.engine.plan_change(checks=("true",)))
    shown = capsys.readouterr().out
    # Eleven devices get the banner only, each of the two borders a session to the city and one to the other as well;
    # the city is at the ninth link of one and at the eighth of the other.
    assert "11 devices, identical up to ⟨id⟩:" in shown
    assert shown.count("+banner welcome") == 3
    # The remote post has one service of the lowest tier, and no other device of its role has the change of cave-gw.
    assert "1. cave-gw acc-ferry (1 unit at stake)\n" in shown
    # Without the rings the offices with a line to the hub still have that one, and the remote posts none.
    assert "4. ring-s ring-l (3 units at stake)\n" in shown
    assert "5. hub (8 units at stake)\n" in shown
    assert "check afterwards: true" in shown
    assert "13 devices: 13 to change (+17 -0 lines), 0 as they should be" in shown
    assert testing.CANARY not in shown


def test_every_field_of_a_report_is_in_the_help() -> None:
    help_text = " ".join((deploy.deploy.help or "").split())
    fields = Report("p", 1, "done", {}, {}).as_dict()
    assert [field for field in fields if field not in help_text] == []


def test_a_file_that_is_no_plan_is_a_usage_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(deploy.deploy, [str(tmp_path / "missing.json")], obj=context("en"))
    assert done.exit_code == 2


@pytest.mark.tools
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace without any way out")
def test_devices_that_cannot_be_reached_are_all_named(tmp_path: Path) -> None:
    """In a network namespace with nothing in it, so that no packet leaves."""
    netdr = [str(Path(sys.executable).with_name("netdr")), "-i", str(LINWU), "--state", str(tmp_path)]
    subprocess.run([*netdr, "secrets", "create"], check=True, timeout=60, capture_output=True)
    (tmp_path / "ssh/known_hosts").touch()
    argv = ["unshare", "--net", *netdr, "plan", "-l", "role:aggregation", "--json"]
    done = subprocess.run(argv, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 5, done.stderr
    assert [problem["where"] for problem in json.loads(done.stdout)["problems"]] == ["ring-l", "ring-n", "ring-s"]
    assert "-l '!ring-l'" in done.stderr
