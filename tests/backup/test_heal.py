"""Who is proven to be dead, and how far a process is: the parts of healing and progress that need no repository."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.heal import proven, unindexed
from backup.restic import Lock
from backup.restic.jobs import Entry, Jobs, Process, started
from backup.restic.progress import Reader, Status, parse, written

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
# A number that no process has: one above the largest that the kernel gives.
NOBODY = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1

# Lines of `backup --json` of 0.14 and of `restore --json` of 0.19.
BACKUP = '{"message_type":"status","percent_done":0.25,"total_files":3,"total_bytes":2000000000,"bytes_done":500000000}'
RESTORE = '{"message_type":"status","seconds_elapsed":3,"percent_done":0.5,"total_bytes":1000,"bytes_restored":500}'


def entry(pid: int = NOBODY, at: datetime = NOON, host: str = "srv") -> Entry:
    return Entry(Path("x"), "backup", "/srv/restic/portal", at, Process(pid, 1, "boot", host))


def lock(pid: int = NOBODY, at: datetime = NOON, host: str = "srv") -> Lock:
    return Lock("60464b9a", at, exclusive=False, host=host, pid=pid)


def test_a_lock_of_a_dead_job_of_ours_is_proven() -> None:
    assert proven([lock(at=NOON + timedelta(seconds=1))], [entry()], "srv") == (lock(at=NOON + timedelta(seconds=1)),)


@pytest.mark.parametrize(
    ("one", "dead"),
    [
        (lock(pid=NOBODY + 1), [entry()]),
        (lock(host="other"), [entry()]),
        (lock(), [entry(host="other")]),
        # Older than the job: another boot's process had the same number.
        (lock(at=NOON - timedelta(seconds=1)), [entry()]),
        # The number is somebody's again, and it may be that one's lock.
        (lock(pid=os.getpid()), [entry(pid=os.getpid())]),
        (lock(), []),
    ],
)
def test_any_doubt_leaves_a_lock_alone(one: Lock, dead: list[Entry]) -> None:
    assert proven([one], dead, "srv") == ()


def test_a_job_is_alive_until_its_process_has_gone(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs")
    job = jobs.job("backup", "/srv/restic/portal")
    with subprocess.Popen(["sleep", "60"]) as process:
        job.begun(process.pid)
        assert jobs.dead("/srv/restic/portal") == ()
        process.kill()
    (dead,) = jobs.dead("/srv/restic/portal")
    assert (dead.command, dead.process.pid) == ("backup", process.pid)
    assert jobs.dead("/srv/restic/other") == ()
    job.ended()
    assert jobs.dead("/srv/restic/portal") == ()


def test_a_process_of_another_boot_or_start_is_another_process() -> None:
    start = started(os.getpid())
    assert start
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    me = Process(os.getpid(), start, boot, "srv")
    assert me.alive
    assert not dataclasses.replace(me, boot="another").alive
    assert not dataclasses.replace(me, start=start - 1).alive


def test_the_remains_of_a_process_hold_nothing() -> None:
    child = subprocess.Popen(["true"])
    end = time.monotonic() + 10
    while started(child.pid) is not None:
        assert time.monotonic() < end
    child.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"command": "backup"}', '{"process": 1}'])
def test_a_job_that_was_cut_short_while_it_was_written_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "backup-1.json").write_text(text)
    assert Jobs(tmp_path).dead("x") == ()


@pytest.mark.parametrize(
    ("index", "pack", "expected"), [(2, 1, False), (1, 2, True), (None, 1, True), (1, None, False)]
)
def test_packs_that_came_after_every_index(tmp_path: Path, index: int | None, pack: int | None, expected: bool) -> None:
    for name, second in (("index/a", index), ("data/00/b", pack)):
        (tmp_path / name).parent.mkdir(parents=True)
        if second is not None:
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (second, second))
    assert unindexed(tmp_path) is expected


def test_progress_is_read_from_both_commands() -> None:
    # 500 MB in 2 s are 250 MB a second; the other 1.5 GB take 6 s.
    assert str(parse(BACKUP, 2.0)) == "25% of 2.0 GB, 250 MB/s, 6 s left"
    assert str(parse(RESTORE, 1.0)) == "50% of 1 kB, 500 B/s, 1 s left"
    assert parse('{"message_type":"summary"}', 1.0) is None
    assert parse('{"message_type":"status"', 1.0) is None
    assert parse("Fatal: no", 1.0) is None


def test_without_a_total_there_is_no_time_left() -> None:
    assert str(Status(3_000_000, 0, 2.0)) == "3 MB, 2 MB/s"
    assert Status(0, 100, 1.0).left is None
    assert str(Status(150, 100, 1.0)) == "100% of 100 B, 150 B/s"


def test_at_most_one_line_of_progress_in_two_seconds() -> None:
    moments = iter([0.0, 1.0, 2.0, 3.0, 4.5])
    said: list[str] = []
    reader = Reader(said.append, lambda: next(moments))
    for _ in range(5):
        reader.hear(BACKUP)
    assert said == ["25% of 2.0 GB, 250 MB/s, 6 s left", "25% of 2.0 GB, 111 MB/s, 14 s left"]


def test_what_a_process_has_written(tmp_path: Path) -> None:
    before = written(Path("/proc/self/io"))
    (tmp_path / "file").write_bytes(bytes(100_000))
    after = written(Path("/proc/self/io"))
    assert before is not None
    assert after is not None
    assert after - before >= 100_000
    assert written(Path(f"/proc/{NOBODY}/io")) is None
