from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from backup.recovery.plan import Step
from backup.recovery.report import Report, figures, write
from backup.recovery.run import Done
from inventory import load
from inventory.entry import Name
from netdr.cli import main

LINWU = Path(__file__).parents[2] / "districts" / "linwu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(LINWU, tmp_path / "linwu", ignore=shutil.ignore_patterns(".netdr"))
    return tmp_path / "linwu"


def run(folder: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["-i", str(folder), *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_programs_get_every_risk_and_people_those_alike_together(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert run(folder, "risk", "--json") == 0
    found = json.loads(capsys.readouterr().out)["risks"]
    switches = [risk for risk in found if risk["rule"] == "single-access-device" and risk["tier"] == 1]
    assert len(switches) == 6  # eight units, of which ferry and quarry may use tier 3 alone
    assert run(folder, "risk") == 0
    text = capsys.readouterr().out
    assert "6 × device acc-archive acc-clinic acc-market … (tier 1, 6 units)" in text
    assert f"{len(found)} risks, {sum(risk['tier'] == 1 for risk in found)} of them to tier 1" in text


def test_what_this_machine_has_the_reports_of_has_been_rehearsed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def drills() -> set[tuple[str, str]]:
        assert run(folder, "risk", "--json") == 0
        found = json.loads(capsys.readouterr().out)["risks"]
        return {(risk["subject"], risk["rule"]) for risk in found if risk["kind"] == "drill"}

    assert drills() == {("recovery", "never-rehearsed")}
    network, now = load.network(folder), time.time()
    verify = Step("verify:notices", Name(en="use", zh="用"), service="notices", phase="verify")
    steps = (Done(verify, now, now + 5),)
    found = figures(network, ["notices"], now, steps)
    write(Report("drill", "drill-1", now, found, steps), network, folder / ".netdr" / "reports", "en")
    assert drills() == {("registry", "never-rehearsed")}


def test_the_escrow_of_this_machine_is_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def rules() -> set[str]:
        assert run(folder, "risk", "--json") == 0
        return {risk["rule"] for risk in json.loads(capsys.readouterr().out)["risks"]}

    assert "no-escrow" in rules()
    assert (
        run(folder, "backup", "escrow", "split", "--shares", "2", "--threshold", "2", "--into", str(folder / "s")) == 0
    )
    capsys.readouterr()
    assert "every-share" in rules()
    assert "no-escrow" not in rules()
