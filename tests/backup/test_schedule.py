"""What a host does by the clock, as decisions, as systemd units, and by the embedded scheduler."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from backup import duty, schedule, timers
from backup.duty import book_of
from backup.host import LocalShell, Result
from backup.machine import Machine
from backup.postgres import Cluster
from backup.repository import Layout
from backup.schedule import Job, Past
from backup.scheduler import Scheduler, remembered
from backup.testing import FakeShell
from inventory import load
from netdr.kernel.errors import BusyError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURLY = Job("run", "portal", 3600, 14400)


def book(host: str) -> duty.Book:
    return book_of(load.network(LINWU), host)


def test_a_home_host_saves_and_a_dr_host_proves() -> None:
    home = {job.name: job.every for job in schedule.jobs(book("store"))}
    assert home == {
        "stream-registry": 60,
        "run-registry": 120,
        "run-notices": 86400,
        "prune-registry": 86400,
        "prune-notices": 86400,
    }
    dr = {job.name: job.every for job in schedule.jobs(book("store-b"))}
    assert {name: every for name, every in dr.items() if name.startswith("verify")} == {
        "verify-registry": 43200,
        "verify-notices": 604800,
        "verify-netdr": 604800,
        "verify-configs": 604800,
    }
    assert {"tend-registry", "tend-netdr", "prune-configs"} <= set(dr)


def test_what_may_lose_least_goes_first() -> None:
    assert [job.name for job in schedule.jobs(book("store"))][:2] == ["stream-registry", "run-registry"]


@pytest.mark.parametrize(
    ("past", "wait"),
    [
        (None, 0),
        (Past(NOON, ok=True), 3600),
        # A tenth of the interval after a failure.
        (Past(NOON, ok=False), 360),
        (Past(NOON - timedelta(hours=1), ok=True), 0),
        # The clock was set back: its last start is in the future.
        (Past(NOON + timedelta(days=400), ok=True), 0),
    ],
)
def test_when_a_job_is_due(past: Past | None, wait: int) -> None:
    assert schedule.next_start(HOURLY, past, NOON) == NOON + timedelta(seconds=wait)
    known = {HOURLY.name: past} if past else {}
    assert bool(schedule.due([HOURLY], known, NOON)) == (wait == 0)
    assert schedule.due([HOURLY], known, NOON + timedelta(seconds=wait)) == (HOURLY,)


def test_a_failed_job_is_not_tried_more_often_than_it_would_run() -> None:
    assert dataclasses.replace(HOURLY, every=30).retry == 30
    assert dataclasses.replace(HOURLY, every=120).retry == 60


def test_no_calendar_leaves_a_gap_longer_than_the_promise() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for days in (1, 2, 7, 14, 15, 30, 90):
        text = timers.units("/bin/true", [dataclasses.replace(HOURLY, every=days * 86400)])["netdr-run-portal.timer"]
        calendar = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("OnCalendar="))
        argv = ["systemd-analyze", "calendar", "--iterations=99", "--base-time=2026-01-01 00:00:00 UTC", calendar]
        out = subprocess.check_output(argv, text=True, timeout=30, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"})
        at = [
            datetime.strptime(line.split(": ", 1)[1].strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
            for line in out.splitlines()
            if "Next elapse" in line or "Iteration" in line or "Iter. #" in line
        ]
        assert len(at) >= 20, out
        gaps = {later - earlier: earlier for earlier, later in pairwise(at)}
        assert max(gaps) <= timedelta(days=days), (calendar, gaps)


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "netdr"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    texts = timers.units(str(program), schedule.jobs(book("store-b")))
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(str(tmp_path / name) for name in texts)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "netdr-" not in done.stderr, done.stderr


def machine(folder: Path, clock: datetime = NOON) -> Machine:
    def cluster() -> Cluster:
        raise AssertionError

    return Machine(book("store"), Layout.under(folder), LocalShell("store"), cluster, lambda: clock)


def programs(codes: dict[str, int]) -> FakeShell:
    def answer(argv: Sequence[str]) -> Result:
        return Result(codes.get(argv[2], 0), "", "the disk is full")

    return FakeShell([answer])


def until(count: int, shell: FakeShell) -> object:
    end = time.monotonic() + 20
    return lambda: len(shell.calls) >= count or time.monotonic() > end


def test_the_scheduler_runs_what_is_due_once_and_remembers(tmp_path: Path) -> None:
    shell, told = programs({"prune": 9}), list[str]()
    scheduler = Scheduler(machine(tmp_path), shell, told.append)
    assert scheduler.run(until(5, shell)) == 5
    assert {call[2:4] for call in shell.calls} == {
        ("stream", "registry"),
        *((verb, asset) for verb in ("run", "prune") for asset in ("registry", "notices")),
    }
    assert all(call[4:] == ("--here", "--json") for call in shell.calls)
    past = remembered(machine(tmp_path))
    assert {name: one.ok for name, one in past.items()} == {
        "stream-registry": True,
        "run-registry": True,
        "run-notices": True,
        "prune-registry": False,
        "prune-notices": False,
    }
    assert "prune-notices … failed (9): the disk is full" in told
    # Started again at the same time of day, it has nothing to do.
    end = time.monotonic() + 1.5
    assert Scheduler(machine(tmp_path), programs({}), told.append).run(lambda: time.monotonic() > end) == 0


def test_a_damaged_memory_means_that_all_is_due(tmp_path: Path) -> None:
    found = machine(tmp_path)
    found.layout.state.mkdir(parents=True)
    (found.layout.state / "schedule.json").write_text(json.dumps({"run-registry": 3}))
    assert remembered(found) == {}


def test_a_second_scheduler_is_refused(tmp_path: Path) -> None:
    shell, started, stop = programs({}), threading.Event(), threading.Event()

    def watching() -> bool:
        started.set()
        return stop.is_set()

    first = threading.Thread(target=lambda: Scheduler(machine(tmp_path), shell, lambda _: None).run(watching))
    first.start()
    try:
        assert started.wait(10)
        with pytest.raises(BusyError, match="another scheduler of store is at work"):
            Scheduler(machine(tmp_path), shell, lambda _: None).run()
    finally:
        stop.set()
        first.join(10)
