"""What a drill tells, on a controller: a line for each service, the report's files, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backup.drill import record
from backup.drill import run as drilling
from backup.recovery.run import Done, Facts
from backup.report import JobReport
from netdr.cli import drill, root
from netdr.cli.context import Context
from netdr.kernel.errors import ProofError

LINWU = Path(__file__).parents[2] / "districts" / "linwu"


def told() -> JobReport:
    """Return what the DR host reports of a drill in which notices does not start."""
    steps = {step.id: step for step in drilling.plan({"registry": 1200.0, "notices": 172800.0}).steps}
    wrong = ProofError("the service does not start", where="store-b", why="no licence")
    rows: tuple[tuple[str, float, float, Facts, ProofError | None], ...] = (
        ("restore:registry", 1000.0, 1008.0, {"as_of": 970.0, "snapshot": ""}, None),
        ("restore:notices", 1000.0, 1002.0, {"as_of": 400.0, "snapshot": "ab" * 32}, None),
        ("start:notices", 1002.0, 1003.0, {}, wrong),
        ("start:registry", 1008.0, 1009.0, {}, None),
        ("verify:registry", 1009.0, 1012.0, {"units": ["clinic"], "refused": 4}, None),
    )
    done = [Done(steps[name], began, ended, facts, failure) for name, began, ended, facts, failure in rows]
    facts = {"run": "drill-20260301T000000Z", "began": 1000.0, "steps": record.dump(done)}
    return JobReport("*", "store-b", "drill", 12.0, {}, json.loads(json.dumps(facts)), (wrong,))


def test_a_line_for_each_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = told()
    drill._tell(Context(LINWU, tmp_path, "en"), ["registry", "notices"], [one], [one], as_json=False)
    said = capsys.readouterr()
    # linwu promises registry an RTO of twenty minutes and an RPO of ten.
    assert said.out.splitlines() == [
        "  registry: RTO 12.0 s (1200 s), RPO 30.0 s (600 s); fetch 8.0 s, start 1.0 s, verify 3.0 s",
        "! notices: failed: store-b: the service does not start: no licence",
    ]
    assert (tmp_path / "reports" / "drill-20260301T000000Z.json").is_file()
    drill._tell(Context(LINWU, tmp_path, "zh"), ["registry", "notices"], [one], [one], as_json=False)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "  registry：RTO 12.0 s（承诺 1200 s），RPO 30.0 s（承诺 600 s）；取回 8.0 s，启动 1.0 s，验证 3.0 s",
        "! notices：演练失败：store-b: the service does not start: no licence",
    ]


def test_the_same_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = told()
    drill._tell(Context(LINWU, tmp_path, "en"), ["registry", "notices"], [one], [one], as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert (value["scenario"], value["lost_at"]) == ("drill", 1000.0)
    assert value["services"].keys() == {"registry"}
    assert value["result"]["registry"] == {
        "result": "passed",
        "fetch_s": 8.0,
        "start_s": 1.0,
        "verify_s": 3.0,
        "rto_s": 12.0,
        "rpo_s": 30.0,
        "why": "",
    }
    assert value["result"]["notices"]["result"] == "failed"
    assert [problem["what"] for problem in value["problems"]] == ["the service does not start"]


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    argv = ["-i", str(LINWU), "--state", str(tmp_path), "dr", "drill", "regstry"]
    done = CliRunner().invoke(root, argv)
    assert "unknown service 'regstry'; known: notices, registry" in str(done.exception)


def test_a_machine_without_duties_drills_nothing(tmp_path: Path) -> None:
    argv = ["-i", str(LINWU), "--state", str(tmp_path), "backup", "drill", "--here"]
    done = CliRunner().invoke(root, argv, input="")
    assert "this host has no duties" in str(done.exception)
