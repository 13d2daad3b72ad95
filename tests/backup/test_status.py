"""How an asset stands: from its ledger and the names of what lies there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from backup.duty import Duty
from backup.ledger import Kind, Ledger, Line
from backup.metrics import text
from backup.standing import Found, Standing, failures, judge, stand
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
A, B = "a" * 64, "b" * 64
Event = tuple[Kind, int, dict[str, str]]


def duty(role: Literal["home", "standby"]) -> Duty:
    service = Service(
        id="portal", name=Name(zh="门户", en="Portal"), tier=2, home="main", standby="dr", protection="p", app="pages",
        ports=("tcp/80",), data=(Files(kind="files", path="/srv/portal"),),
    )  # fmt: skip
    return Duty(service, role, PROTECTION)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def saved(seconds: float, name: str = A) -> Event:
    return "snapshot", 0, {"id": name, "as_of": ago(seconds).isoformat(), "manifest": "m", "host": "srv-1"}


def copied(seconds: float) -> Event:
    return "copy", 0, {"id": A, "as_of": ago(seconds).isoformat(), "manifest": "m"}


def arrived(seconds: float, name: str = A, quarantine: str = "") -> Event:
    moment = ago(seconds).isoformat()
    times = {"as_of": moment, "claimed": moment, "stored": moment}
    names = {"id": f"c{name}", "source": name, "manifest": "m", "host": "srv-1"}
    return "arrival", int(seconds), {**names, **times, "quarantine": quarantine}


def proven(seconds: float, result: str, **more: str) -> Event:
    return "proof", int(seconds), {"result": result, "source": A, "as_of": ago(seconds + 60).isoformat(), **more}


def failed(verb: str) -> Event:
    return "failure", 0, {"verb": verb, "what": f"{verb} broke"}


def lines(folder: Path, *events: Event) -> tuple[Line, ...]:
    ledger = Ledger(folder / "l")
    for kind, seconds, facts in events:
        ledger.add(kind, ago(seconds), facts)
    return ledger.lines()


def test_home_keeps_its_promise(tmp_path: Path) -> None:
    standing = stand("home", lines(tmp_path, saved(900), copied(900), saved(60)))
    assert (standing.saved, standing.copied) == (ago(60), ago(900))
    assert standing.as_dict(NOW)["copy_lag_s"] == 840
    assert judge(duty("home"), standing, NOW, "srv-1") == ()


HOME = {
    "nothing was ever saved": (
        (),
        ["the newest backup of portal does not exist", "the newest copy of portal does not"],
    ),
    "too old by a second": ((saved(901), copied(10)), ["the newest backup of portal is 901 s old"]),
    "not copied in time": ((saved(10), copied(901)), ["the newest copy of portal is 901 s old"]),
    "the last run failed": ((saved(10), copied(10), failed("run")), ["the last run of portal failed: run broke"]),
    "the last prune failed": ((saved(10), copied(10), failed("prune")), ["the last prune of portal failed: prune"]),
}


@pytest.mark.parametrize("case", HOME)
def test_home_breaks_its_promise(tmp_path: Path, case: str) -> None:
    events, expected = HOME[case]
    found = judge(duty("home"), stand("home", lines(tmp_path, *events)), NOW, "srv-1")
    assert len(found) == len(expected)
    assert [words in str(problem) for problem, words in zip(found, expected, strict=True)] == [True] * len(expected)
    assert {problem.exit_code for problem in found} == {9}


def test_a_success_of_the_same_kind_ends_a_failure(tmp_path: Path) -> None:
    events = (failed("run"), failed("copy"), failed("tend"), saved(10), copied(10), ("success", 0, {"verb": "tend"}))
    assert failures(lines(tmp_path, *events)) == {}


def test_a_later_copy_does_not_hide_a_failed_run(tmp_path: Path) -> None:
    assert failures(lines(tmp_path, saved(10), failed("run"), copied(10))) == {"run": "run broke"}


def test_the_dr_site_keeps_its_promise(tmp_path: Path) -> None:
    passed = proven(20, "passed", rto="12.5", rpo="61.0")
    standing = stand("standby", lines(tmp_path, arrived(100), proven(50, "failed"), passed), Found([f"c{A}"]))
    assert (standing.copied, standing.proven, standing.proof) == (ago(100), ago(20), "passed")
    assert (standing.proven_data, standing.rto, standing.rpo) == (ago(80), 12.5, 61.0)
    assert judge(duty("standby"), standing, NOW, "srv-dr") == ()


STANDBY = {
    "never proven": ((arrived(10),), {}, ["the newest proof of portal does not exist"]),
    "proven long ago": ((arrived(10), proven(86401, "passed")), {}, ["the newest proof of portal is 86401 s old"]),
    "proven less deep": ((arrived(10), proven(5, "partial")), {}, ["the newest proof of portal does not exist"]),
    "the last proof failed": (
        (arrived(10), proven(20, "passed"), proven(10, "failed")),
        {},
        ["the last proof of portal failed"],
    ),
    "nothing arrives": ((arrived(1000), proven(10, "passed")), {}, ["the newest copy of portal is 1000 s old"]),
    "a snapshot is gone": (
        (arrived(500, B), arrived(10), proven(10, "passed")),
        {},
        ["snapshot bbbbbbbb as of 2026-11-23T11:51:40+00:00 is in the ledger and not in the repository"],
    ),
    "one claims to be of tomorrow": (
        (arrived(-86400, B, "future-dated: it claims"), arrived(10), proven(10, "passed")),
        {"present": (f"c{A}", f"c{B}")},
        ["snapshot bbbbbbbb of portal is quarantined: future-dated"],
    ),
    "the brake is on": (
        (
            arrived(10),
            proven(10, "passed"),
            ("hold", 5, {"snapshot": A, "pins": "", "why": "91 % changed"}),
        ),
        {},
        ["the brake of portal is on: 91 % changed"],
    ),
    "bytes are unread": (
        (arrived(10), proven(10, "passed")),
        {"unread": ago(31 * 86400)},
        ["bytes of portal were last read 2678400 s ago: the promise is 2592000 s"],
    ),
}


@pytest.mark.parametrize("case", STANDBY)
def test_the_dr_site_breaks_its_promise(tmp_path: Path, case: str) -> None:
    events, found, expected = STANDBY[case]
    there = Found(**{"present": (f"c{A}",), **found})
    problems = judge(duty("standby"), stand("standby", lines(tmp_path, *events), there), NOW, "srv-dr")
    assert [str(problem) for problem in problems if not any(words in str(problem) for words in expected)] == []
    assert len(problems) == len(expected)


def test_a_quarantined_snapshot_is_not_the_newest_copy(tmp_path: Path) -> None:
    found = lines(tmp_path, arrived(3000), arrived(-86400, B, "future-dated"))
    assert stand("standby", found, Found([f"c{A}", f"c{B}"])).copied == ago(3000)


def test_metrics_of_a_failure_cannot_look_green(tmp_path: Path) -> None:
    good = Standing("standby", ago(60), ago(60), ago(3600), ago(3660), "passed", rto=12.5)
    bad = Standing("standby", proof="failed", held=("encrypted",), failures={"tend": "no space left"})
    lost = stand("standby", lines(tmp_path, arrived(500, B)), Found())
    standings = {("portal", "standby"): good, ("credit", "standby"): bad, ("exchange", "standby"): lost}
    home = {("mail", "home"): Standing("home", ago(60), ago(70))}
    out = text(standings | home, {("approval", "standby"): "the ledger is broken"})
    samples = [row.rpartition(" ") for row in out.splitlines() if not row.startswith("#")]
    rows = {name: float(value) for name, _, value in samples}
    # 2026-11-23 11:59:00 UTC.
    assert rows['netdr_backup_copied_timestamp_seconds{asset="portal",role="standby"}'] == 1795435140
    assert not [name for name in rows if "timestamp" in name and ("credit" in name or "approval" in name)]
    assert rows['netdr_backup_proof_ok{asset="credit",role="standby"}'] == 0
    assert rows['netdr_backup_proof_ok{asset="portal",role="standby"}'] == 1
    assert rows['netdr_backup_held{asset="credit",role="standby"}'] == 1
    assert rows['netdr_backup_snapshots_lost{asset="exchange",role="standby"}'] == 1
    assert rows['netdr_backup_job_failed{asset="credit",role="standby",verb="tend"}'] == 1
    assert rows['netdr_backup_job_failed{asset="portal",role="standby",verb="tend"}'] == 0
    assert rows['netdr_backup_ledger_broken{asset="approval",role="standby"}'] == 1
    assert rows['netdr_backup_rto_measured_seconds{asset="portal",role="standby"}'] == 12.5
    # What is the DR site's business is not said by a home host.
    assert not [name for name in rows if "mail" in name and ("held" in name or "proof" in name)]
    assert out.endswith("\n")
