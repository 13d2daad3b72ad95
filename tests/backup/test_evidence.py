"""What a proof leaves behind: a file and a ledger that vouch for each other."""

from __future__ import annotations

import dataclasses
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.ledger import Ledger
from backup.proof import evidence
from backup.proof.evidence import Bundle
from netdr.kernel.errors import ProofError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUNDLE = Bundle(
    asset="portal",
    host="srv-dr",
    depth="v2",
    result="failed",
    began=NOON,
    ended=NOON,
    subject={"snapshot": "ab" * 32, "source": "cd" * 32, "as_of": NOON.isoformat()},
    levels={"v1": {"part": "1/29", "bytes": 17}},
    steps={"list": 0.12345},
    programs={"restic": "0.14"},
    problems=(ProofError("one file differs", where="/srv/restic/portal", why="a (content)", hint="look"),),
)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Ledger, Path]:
    ledger, folder = Ledger(tmp_path / "portal.jsonl"), tmp_path / "evidence"
    before = ledger.add("failure", NOON, {"verb": "run", "what": "no space"})
    ledger.add("proof", NOON, {"result": "failed", **evidence.keep(folder, BUNDLE, before)})
    return ledger, folder


def test_the_file_says_what_happened_and_where_in_the_ledger(kept: tuple[Ledger, Path]) -> None:
    ledger, folder = kept
    (path,) = folder.iterdir()
    assert path.name == "20261123T120000.000000Z-abababab.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    value = json.loads(path.read_text(encoding="utf-8"))
    assert (value["asset"], value["result"], value["depth"]) == ("portal", "failed", "v2")
    assert value["levels"]["v1"] == {"part": "1/29", "bytes": 17}
    assert value["steps"] == {"list": 0.123}
    assert value["problems"][0]["why"] == "a (content)"
    assert value["ledger"] == {"number": 1, "hash": ledger.lines()[0].hash}
    assert evidence.missing(folder, ledger.lines()) == ()


def test_a_changed_file_is_noticed(kept: tuple[Ledger, Path]) -> None:
    ledger, folder = kept
    (path,) = folder.iterdir()
    path.write_text(path.read_text(encoding="utf-8").replace("failed", "passed"), encoding="utf-8")
    (problem,) = evidence.missing(folder, ledger.lines())
    assert str(problem) == f"{path}: the evidence of a proof was changed: line 2"


def test_a_file_that_is_gone_is_noticed(kept: tuple[Ledger, Path]) -> None:
    ledger, folder = kept
    (path,) = folder.iterdir()
    path.unlink()
    assert "is gone" in str(evidence.missing(folder, ledger.lines())[0])


def test_a_proof_that_never_had_a_snapshot_leaves_evidence_too(tmp_path: Path) -> None:
    nothing = dataclasses.replace(BUNDLE, subject={}, problems=())
    said = evidence.keep(tmp_path, nothing, None)
    assert json.loads((tmp_path / said["evidence"]).read_text(encoding="utf-8"))["ledger"] is None
