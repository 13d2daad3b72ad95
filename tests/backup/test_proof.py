"""The levels of a proof with real programs: what each finds, and what turns each red."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backup.acts import Options, acts
from backup.machine import Machine
from backup.proof import evidence
from backup.report import JobReport
from backup.testing import Pair
from backup.work import do
from inventory.asset import Asset, Level, Postgres, Record

pytestmark = pytest.mark.tools


def verify(machine: Machine, name: str, level: Level | None = None) -> JobReport:
    act = acts(Options(level=level))["verify"]
    return do(machine, "verify", machine.book.select([name]), act, lambda _: None)[0]


def words(report: JobReport) -> str:
    return "\n".join(problem.report() for problem in report.problems)


def asking(machine: Machine, **changed: Any) -> Machine:  # noqa: ANN401 - fields of Postgres
    """Return the DR host with other questions about the database."""
    duty = machine.book.duties["approval"]
    data = Postgres(kind="postgresql", database="approval", **changed)
    other = dataclasses.replace(duty, asset=duty.asset.model_copy(update={"data": (data,)}))
    return dataclasses.replace(machine, book=dataclasses.replace(machine.book, duties={"approval": other}))


def lines(machine: Machine, kind: str) -> list[Any]:
    return [line for line in machine.ledger("approval").lines() if line.kind == kind]


def test_the_whole_way_up(saved: Pair) -> None:
    # Seven cases of one unit were filed before the backup, and nothing since.
    newest = saved.cluster.query("SELECT extract(epoch FROM max(at)) FROM accepted", "approval")[0][0]
    report = verify(saved.standby, "approval")
    assert report.ok, words(report)
    facts: Any = report.facts
    assert facts["records"] == {"newest": "/cases?unit=unit-1"}
    canary = facts["canaries"]["approval"]
    assert datetime.fromisoformat(canary["newest"]).timestamp() == pytest.approx(float(newest), abs=1e-5)
    as_of = datetime.fromisoformat(facts["as_of"])
    assert canary["rpo_s"] == pytest.approx(as_of.timestamp() - float(newest), abs=0.001)
    assert facts["service"] == {
        "program": str(saved.standby.layout.services / "approval"),
        "address": "10.9.8.7",
        "ports": [8080],
        "unserved": [],
    }


def test_the_evidence_and_the_ledger_vouch_for_each_other(saved: Pair) -> None:
    report = verify(saved.standby, "approval")
    path = Path(str(report.facts["evidence"]))
    bundle = json.loads(path.read_text(encoding="utf-8"))
    line = lines(saved.standby, "proof")[-1]
    assert (line.facts["result"], line.facts["level"], line.facts["evidence"]) == ("passed", "v4", path.name)
    assert bundle["subject"]["snapshot"] == report.facts["snapshot"]
    assert bundle["levels"].keys() == {"v1", "v2", "v3", "v4"}
    assert bundle["ledger"]["number"] < line.number
    assert bundle["programs"].keys() >= {"netdr", "restic", "postgresql", "linux"}
    whole = saved.standby.ledger("approval").lines()
    assert evidence.missing(path.parent, whole) == ()
    password = saved.standby.layout.disk("approval").password.read_text().strip()
    assert password not in path.read_text(encoding="utf-8")


def test_bytes_alone_prove_only_bytes(broken: Machine) -> None:
    before = lines(broken, "read")
    report = verify(broken, "approval", "v1")
    assert report.ok
    facts: Any = report.facts
    assert "manifest" not in facts
    assert facts["stored"]["part"].endswith("/29")
    assert len(lines(broken, "read")) == len(before) + 1
    # It must not stand in for the proof that the policy wants.
    assert lines(broken, "proof")[-1].facts["result"] == "partial"


def test_a_service_without_a_program_cannot_be_proven(broken: Machine) -> None:
    (broken.layout.services / "approval").unlink()
    before = set(broken.layout.evidence("approval").iterdir())
    report = verify(broken, "approval")
    assert "the service's program is not on this host" in words(report)
    assert report.problems[0].exit_code == 10
    (kept,) = set(broken.layout.evidence("approval").iterdir()) - before
    assert '"failed"' in kept.read_text(encoding="utf-8")
    assert json.loads(kept.read_text(encoding="utf-8"))["levels"].keys() == {"v1", "v2"}


def test_a_program_that_fails_says_why(broken: Machine) -> None:
    program = broken.layout.services / "approval"
    program.write_text('#!/bin/sh\n[ "$1" = start ] || { echo \'{"problem": "no licence"}\'; exit 3; }\n')
    report = verify(broken, "approval")
    assert "the service does not start from the restored data: status: no licence" in words(report)


def test_what_is_asked_must_be_answered(broken: Machine) -> None:
    wrong = {"a case": Record(sql="SELECT 'unit-1' AS unit, 8 AS count", get="/cases?unit={unit}")}
    report = verify(asking(broken, records=wrong), "approval")
    assert "the record 'a case' cannot be read through the service: it is not what the database holds" in words(report)
    assert "count is 7, not 8" in words(report)


def test_a_canary_must_be_a_time(broken: Machine) -> None:
    report = verify(asking(broken, canary="SELECT 'green'"), "approval")
    assert "the newest heartbeat of the restored database 'approval' cannot be read" in words(report)


def test_what_serves_nobody_is_restored_and_not_started(broken: Machine) -> None:
    duty = broken.book.duties["approval"]
    asset = Asset.model_validate(duty.asset.model_dump(include=set(Asset.model_fields)))
    duties = {"approval": dataclasses.replace(duty, asset=asset)}
    host = dataclasses.replace(broken, book=dataclasses.replace(broken.book, duties=duties))
    report = verify(host, "approval")
    assert report.ok, words(report)
    assert (report.facts["level"], report.facts["service"]) == ("v2", {})
    proven = lines(host, "proof")[-1].facts
    assert (proven["result"], proven["level"]) == ("passed", "v2")


def test_a_proof_without_the_home_site(broken: Machine) -> None:
    """The home site is not asked: its server's address leads nowhere."""
    book = dataclasses.replace(broken.book, server="192.0.2.1")
    assert verify(dataclasses.replace(broken, book=book), "portal").ok
