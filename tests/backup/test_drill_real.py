"""Drills with real programs: services from their copies, in one bubble, used by units in it."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from backup.drill import run as drilling
from backup.drill.exercise import Exercise, Pass, Sample, Try
from backup.machine import Machine
from backup.postgres import VERSIONS
from backup.report import JobReport
from backup.stream.testing import Two, make
from inventory.asset import Drill, Postgres, Protection, Service, Write
from inventory.entry import Name
from lab import services
from netdr.kernel.errors import BackupError, BusyError, UsageError

pytestmark = pytest.mark.tools

OPEN = Path("/var/tmp")  # noqa: S108 - folders in it have random names
APPROVAL, PORTAL = "10.9.8.7", "10.9.8.8"
# Two units: an office may use both services, a post only the portal. Nobody may reach a database.
OFFICE = Sample(
    "office",
    "10.1.0.10",
    (Pass(f"{APPROVAL}/32", "tcp", (8080,)), Pass(f"{PORTAL}/32", "tcp", (8080,))),
    (Try("approval", 8080, True), Try("approval", 5432, False), Try("portal", 8080, True)),
)
POST = Sample(
    "post",
    "10.1.0.74",
    (Pass(f"{PORTAL}/32", "tcp", (8080,)),),
    (Try("approval", 8080, False), Try("portal", 8080, True), Try("portal", 22, False)),
)
EXERCISE = Exercise({"approval": APPROVAL, "portal": PORTAL}, (OFFICE, POST))


def install(machine: Machine, addresses: Mapping[str, str]) -> None:
    """Put what starts each service on the host, at its address."""
    layout = machine.layout
    for name, duty in machine.book.duties.items():
        assert isinstance(duty.asset, Service)
        apps = layout.services.parent / "apps"
        for path, file in services.program(duty.asset, addresses[name], layout.services, apps).items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(file.content, encoding="utf-8")
            Path(path).chmod(file.mode)


@pytest.fixture
def host(broken: Machine) -> Iterator[Machine]:
    """A DR host with copies of both services, its bubbles in a folder of its own, as a timer would run it."""
    install(broken, EXERCISE.services)
    own = broken.layout.credentials.parents[2] / "b"
    own.mkdir()
    own.chmod(0o711)
    # That of the units (backup.timers): what others must pass through is opened on purpose.
    before = os.umask(0o077)
    yield dataclasses.replace(broken, layout=dataclasses.replace(broken.layout, bubbles=own))
    os.umask(before)


def drill(machine: Machine, exercise: Exercise = EXERCISE, *names: str) -> JobReport:
    return drilling.run(machine, machine.book.select(names), exercise, lambda _: None)


def words(report: JobReport) -> str:
    return "\n".join(problem.report() for problem in report.problems)


def last(machine: Machine, name: str) -> Mapping[str, str]:
    return next(line for line in reversed(machine.ledger(name).lines()) if line.kind == "drill").facts


def test_both_services_are_back_and_used(host: Machine) -> None:
    report = drill(host)
    assert report.ok, words(report)
    facts: Any = report.facts
    assert {name: one["result"] for name, one in facts["services"].items()} == {
        "approval": "passed",
        "portal": "passed",
    }
    for one in facts["services"].values():
        # Each is rounded to milliseconds.
        assert one["rto_s"] >= one["fetch_s"] + one["start_s"] + one["verify_s"] - 0.01
    steps = {one["step"]: one for one in facts["steps"]}
    office, post = "office (10.1.0.10)", "post (10.1.0.74)"
    assert (steps["verify:approval"]["facts"]["units"], steps["verify:approval"]["facts"]["refused"]) == ([office], 2)
    assert (steps["verify:portal"]["facts"]["units"], steps["verify:portal"]["facts"]["refused"]) == ([office, post], 1)
    # The seven cases of the pair, read by the office through the service.
    assert steps["verify:approval"]["facts"]["records"] == {"newest": "/cases?unit=unit-1"}
    assert steps["verify:portal"]["facts"]["pages"][0]["page"] == "/index.html"
    assert json.loads(Path(facts["record"]).read_text(encoding="utf-8"))["run"] == facts["run"]
    assert last(host, "approval")["result"] == "passed"
    assert float(last(host, "approval")["rto"]) == facts["services"]["approval"]["rto_s"]
    # Nothing of it is left.
    assert list(host.layout.bubbles.iterdir()) == []
    assert not Path("/run/netns/unit0").exists()


def test_a_filter_that_is_not_the_policy_is_found(host: Machine) -> None:
    swapped = dataclasses.replace(POST, passes=(Pass(f"{APPROVAL}/32", "tcp", (8080,)),))
    report = drill(host, Exercise(EXERCISE.services, (OFFICE, swapped)))
    assert "post (10.1.0.74) to 10.9.8.7:8080: a unit reaches approval where the policy forbids it" in words(report)
    assert "post (10.1.0.74) to 10.9.8.8:8080: a unit does not reach portal: timed out" in words(report)
    assert last(host, "portal")["result"] == "failed"


def test_one_service_that_does_not_come_back_stops_no_other(host: Machine) -> None:
    (host.layout.services / "approval").unlink()
    report = drill(host)
    assert "the service's program is not on this host" in words(report)
    facts: Any = report.facts
    assert facts["services"]["approval"]["result"] == "failed"
    assert facts["services"]["approval"]["rto_s"] is None
    assert facts["services"]["portal"]["result"] == "passed"


def test_one_drill_at_a_time(host: Machine) -> None:
    with host.alone(host.book.host, "drill"), pytest.raises(BusyError):
        drill(host)


def test_what_cannot_be_drilled_is_said_before_anything_begins(host: Machine) -> None:
    with pytest.raises(BackupError, match=r"no address is known for portal"):
        drill(host, Exercise({"approval": APPROVAL}))
    home = {name: dataclasses.replace(duty, role="home") for name, duty in host.book.duties.items()}
    with pytest.raises(UsageError, match=r"nothing to drill"):
        drill(dataclasses.replace(host, book=dataclasses.replace(host.book, duties=home)))


KILLED = """
import dataclasses, sys
from pathlib import Path
from backup.drill import run
from backup.drill.exercise import Exercise
from backup.duty import Book
from backup.host import LocalShell
from backup.machine import Machine
from backup.repository import Layout
top = Path(sys.argv[1])
book = Book.load((top / "book.json").read_text(), "here")
layout = dataclasses.replace(Layout.under(top), bubbles=top / "b")
machine = Machine(book, layout, LocalShell(book.host), lambda: None, lambda: datetime.now(UTC))
run.run(machine, book.select(()), Exercise.load((top / "exercise.json").read_text(), "here"), print)
"""


def test_nothing_outlives_a_killed_drill(host: Machine) -> None:
    top = host.layout.credentials.parents[2]
    (top / "book.json").write_text(host.book.dump(), encoding="utf-8")
    (top / "exercise.json").write_text(EXERCISE.dump(), encoding="utf-8")
    argv = [sys.executable, "-c", KILLED, str(top)]
    running = subprocess.Popen(argv, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(lambda: any(host.layout.bubbles.glob("netdr-drill-*/pg/data/postmaster.pid")))
    (left,) = host.layout.bubbles.iterdir()
    assert holders(left)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)
    wait_for(lambda: not holders(left))
    assert left.exists()
    report = drill(host, EXERCISE, "portal")
    assert report.ok, words(report)
    assert list(host.layout.bubbles.iterdir()) == []


def holders(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in text:
            found.append(text)
    return found


def wait_for(ready: Any, limit: float = 30) -> None:  # noqa: ANN401 - any condition
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.05)


STREAMED = Protection.model_validate(
    {
        "id": "tier-1",
        "rpo": "15m",
        "rto": "30m",
        "every": "5m",
        "stream": True,
        "retention": {"last": 2},
        "copies": ({"at": "home", "media": "disk"}, {"at": "standby", "media": "disk", "immutable": True}),
        "proof": {"every": "1d", "read_within": "30d"},
        "drill": Drill.model_validate({"every": "30d"}),
    }
)
WRITES = {
    "a case": Write(
        post="/cases", body={"unit": "drill", "seq": 1}, sql="SELECT count(*) = 1 FROM accepted WHERE unit = 'drill'"
    )
}
CASES = Service(
    id="cases",
    name=Name(zh="案件", en="Cases"),
    tier=1,
    home="main",
    standby="dr",
    protection="tier-1",
    app="casework",
    ports=("tcp/8080",),
    data=(Postgres(kind="postgresql", database="cases", canary="SELECT max(at) FROM accepted", writes=WRITES),),
)


@pytest.fixture
def two(tools: None) -> Iterator[Two]:  # noqa: ARG001 - skips
    if not any(VERSIONS.glob("*/bin/pg_receivewal")):
        pytest.skip("needs pg_receivewal")
    root = Path(tempfile.mkdtemp(prefix="nd-", dir=OPEN))
    root.chmod(0o711)
    pair = make(root, CASES, STREAMED, "fsync=off")
    try:
        pair.cluster.query("CREATE ROLE cases LOGIN")
        pair.cluster.query("CREATE DATABASE cases OWNER cases")
        record = (services.DATA / "record.sql").read_text(encoding="utf-8")
        pair.cluster.query(f"SET ROLE cases; {record}", "cases")
        pair.set_up()
        pair.tend()
        yield pair
    finally:
        pair.close()
        shutil.rmtree(root)


def test_what_streams_goes_on_streaming(two: Two) -> None:
    install(two.standby, {"cases": APPROVAL})
    two.cluster.query("SELECT accept('unit-1', 1)", "cases")
    ((newest,),) = two.cluster.query("SELECT extract(epoch FROM max(at)) FROM accepted", "cases")
    told: list[str] = []

    def writes(_words: str) -> None:
        # Told at the end of every step: production goes on, and the bytes of what it writes arrive meanwhile.
        told.append(secrets.token_hex(8))
        unit = told[-1]
        two.cluster.query(f"SELECT accept('{unit}', 1)", "cases")
        wait_for(lambda: arrived(two, unit))

    sample = Sample("office", "10.1.0.10", (Pass(f"{APPROVAL}/32", "tcp", (8080,)),), (Try("cases", 8080, True),))
    duties = list(two.standby.book.duties.values())
    report = drilling.run(two.standby, duties, Exercise({"cases": APPROVAL}, (sample,)), writes)
    assert report.ok, words(report)
    assert len(told) >= 3
    facts: Any = report.facts
    restored = next(one for one in facts["steps"] if one["step"] == "restore:cases")["facts"]
    # From the stream: there never was a snapshot.
    assert (restored["snapshot"], "stream" in restored) == ("", False)
    assert restored["as_of"] >= float(newest)
    verified = next(one for one in facts["steps"] if one["step"] == "verify:cases")["facts"]
    assert verified["writes"] == {"a case": "office"}
    assert facts["services"]["cases"]["rpo_s"] < 30
    (line,) = [one for one in two.standby.ledger("cases").lines() if one.kind == "drill"]
    assert line.facts["result"] == "passed"
    # Every write of production is there, and none of the drill's.
    units = {row[0] for row in two.cluster.query("SELECT unit FROM accepted", "cases")}
    assert units == {"unit-1", *told}


def arrived(two: Two, words: str) -> bool:
    """Return whether the log at the DR host holds a text: a row's is in it as it is."""
    newest = two.archive.newest()
    return bool(newest) and any(words.encode() in path.read_bytes() for path in newest.wal.iterdir() if path.is_file())
