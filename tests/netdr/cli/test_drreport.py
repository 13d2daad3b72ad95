from __future__ import annotations

import json
from pathlib import Path

import pytest

from backup.recovery.plan import Step
from backup.recovery.report import Report, figures, write
from backup.recovery.run import Done
from inventory import load
from inventory.entry import Name
from netdr.cli import main

LINWU = Path(__file__).parents[2] / "districts" / "linwu"
LOST = 1_800_000_000.0


def run(state: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["-i", str(LINWU), "--state", str(state), "dr", "report", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_reports_are_listed_and_one_that_was_changed_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert run(tmp_path) == 0
    assert "no recovery or drill" in capsys.readouterr().out
    network = load.network(LINWU)
    verify = Step("verify:notices", Name(en="use", zh="用"), service="notices", phase="verify")
    other = Step("verify:registry", Name(en="use", zh="用"), service="registry", phase="verify")
    for number in (1, 2):
        steps = (Done(verify, LOST, LOST + 5),)
        found = figures(network, ["notices", "registry"], LOST, steps)
        made = Report("drill", f"drill-{number}", LOST, found, steps, (verify, other))
        write(made, network, tmp_path / "reports", "en")
    assert run(tmp_path) == 0
    # One of two services came back; that the other did not is the only finding.
    assert capsys.readouterr().out.splitlines()[-1].split()[-3:] == ["drill-2", "1/2", "1"]

    first = tmp_path / "evidence" / "recovery" / "drill-1.json"
    first.write_text(first.read_text().replace('"kept": true', '"kept": false'))
    assert run(tmp_path, "--json") == 10
    told = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in told["runs"]] == ["drill-1", "drill-2"]
    assert [problem["where"] for problem in told["problems"]] == [str(first)]
