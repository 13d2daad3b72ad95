from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from backup.duty import Duty
from backup.ledger import Kind, Ledger, Line
from backup.metrics import text
from backup.restic import Snapshot
from backup.status import Standing, judge, stand
from inventory.asset import Files, Protection, Service
from inventory.entry import Name

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PROTECTION = Protection.model_validate(
    {
        "id": "tier-1",
        "rpo": "15m",
        "rto": "30m",
        "every": "5m",
        "retention": {"last": 3, "daily": 7},
        "copies": ({"at": "home", "media": "disk"}, {"at": "standby", "media": "disk", "immutable": True}),
        "proof": {"every": "1d", "read_within": "30d"},
    }
)
Event = tuple[Kind, int, dict[str, str]]


def duty(role: Literal["home", "standby"]) -> Duty:
    service = Service(
        id="portal", name=Name(zh="门户", en="Portal"), tier=2, home="main", standby="dr", protection="p", app="pages",
        ports=("tcp/80",), data=(Files(kind="files", path="/srv/portal"),),
    )  # fmt: skip
    return Duty(service, role, PROTECTION)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def saved(seconds: float, name: str = "a" * 64) -> Event:
    return "snapshot", 0, {"id": name, "as_of": ago(seconds).isoformat(), "manifest": "m", "host": "srv-1"}


def copied(seconds: float) -> Event:
    return "copy", 0, {"id": "a" * 64, "as_of": ago(seconds).isoformat(), "manifest": "m"}


def proven(seconds: float, result: str) -> Event:
    return "proof", int(seconds), {"result": result, "source": "a" * 64}


def failed(verb: str) -> Event:
    return "failure", 0, {"verb": verb, "what": f"{verb} broke"}


def there(seconds: float, name: str = "a" * 64) -> Snapshot:
    tags = ("service:portal", "manifest:m", f"as-of:{ago(seconds).isoformat()}")
    return Snapshot("c" * 64, ago(seconds), "srv-1", tags, name)


def lines(folder: Path, *events: Event) -> tuple[Line, ...]:
    ledger = Ledger(folder / "l")
    for kind, seconds, facts in events:
        ledger.add(kind, ago(seconds), facts)
    return ledger.lines()


def test_home_keeps_its_promise(tmp_path: Path) -> None:
    standing = stand(lines(tmp_path, saved(900), copied(900), saved(60)), None, NOW)
    assert (standing.saved, standing.copied) == (60, 900)
    assert standing.as_dict()["copy_lag_s"] == 840
    assert judge(duty("home"), standing, "srv-1") == ()


HOME = {
    "nothing was ever saved": (
        (),
        ["the newest backup of portal does not exist", "the newest copy of portal does not"],
    ),
    "too old by a second": ((saved(901), copied(10)), ["the newest backup of portal is 901 s old"]),
    "not copied in time": ((saved(10), copied(901)), ["the newest copy of portal is 901 s old"]),
    "the last run failed": ((saved(10), copied(10), failed("run")), ["the last job of portal failed: run broke"]),
    "the last copy failed": ((saved(10), copied(10), failed("copy")), ["the last job of portal failed: copy broke"]),
}


@pytest.mark.parametrize("case", HOME)
def test_home_breaks_its_promise(tmp_path: Path, case: str) -> None:
    events, expected = HOME[case]
    found = judge(duty("home"), stand(lines(tmp_path, *events), None, NOW), "srv-1")
    assert len(found) == len(expected)
    assert [words in str(problem) for problem, words in zip(found, expected, strict=True)] == [True] * len(expected)
    assert {problem.exit_code for problem in found} == {9}


def test_a_success_of_the_same_kind_ends_a_failure(tmp_path: Path) -> None:
    events = (failed("run"), failed("copy"), saved(10), copied(10))
    assert judge(duty("home"), stand(lines(tmp_path, *events), None, NOW), "srv-1") == ()


def test_a_later_copy_does_not_hide_a_failed_run(tmp_path: Path) -> None:
    events = (saved(10), failed("run"), copied(10))
    assert "run broke" in str(judge(duty("home"), stand(lines(tmp_path, *events), None, NOW), "srv-1")[0])


def test_the_dr_site_keeps_its_promise(tmp_path: Path) -> None:
    standing = stand(lines(tmp_path, saved(100), proven(50, "failed"), proven(20, "passed")), (there(100),), NOW)
    assert (standing.copied, standing.proven, standing.proof) == (100, 20, "passed")
    assert judge(duty("standby"), standing, "srv-dr") == ()


STANDBY = {
    "never proven": ((saved(10),), (there(10),), ["the newest proof of portal does not exist"]),
    "proven long ago": ((proven(86401, "passed"),), (there(10),), ["the newest proof of portal is 86401 s old"]),
    "the last proof failed": (
        (proven(20, "passed"), proven(10, "failed")),
        (there(10),),
        ["the last proof of portal f"],
    ),
    "nothing arrives": ((proven(10, "passed"),), (there(1000),), ["the newest copy of portal is 1000 s old"]),
    "a snapshot is gone": (
        (saved(500, "b" * 64), proven(10, "passed")),
        (there(10),),
        ["snapshots of portal are gone from the copy: bbbbbbbb"],
    ),
}


@pytest.mark.parametrize("case", STANDBY)
def test_the_dr_site_breaks_its_promise(tmp_path: Path, case: str) -> None:
    events, found, expected = STANDBY[case]
    problems = judge(duty("standby"), stand(lines(tmp_path, *events), found, NOW), "srv-dr")
    assert len(problems) == len(expected)
    assert all(words in str(problem) for problem, words in zip(problems, expected, strict=True))


def test_metrics_of_a_failure_cannot_look_green() -> None:
    good = Standing(60.0, 61.0, 3600.0, "passed", (), "")
    bad = Standing(None, None, None, "failed", (), "")
    lost = Standing(60.0, 61.0, 3600.0, "passed", ("a" * 64,), "")
    out = text(
        {("portal", "standby"): good, ("credit", "standby"): bad, ("exchange", "standby"): lost},
        {"portal": 900},
        frozenset({"approval"}),
    )
    rows = out.splitlines()
    assert 'netdr_backup_age_seconds{service="portal",role="standby"} 60.0' in rows
    assert not [row for row in rows if "age_seconds" in row and "credit" in row and not row.startswith("#")]
    assert 'netdr_backup_proof_ok{service="credit",role="standby"} 0' in rows
    assert 'netdr_backup_proof_ok{service="portal",role="standby"} 1' in rows
    assert 'netdr_backup_job_failed{service="exchange",role="standby"} 1' in rows
    assert 'netdr_backup_job_failed{service="approval",role="unknown"} 1' in rows
    assert out.endswith("\n")
