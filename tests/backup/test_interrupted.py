"""What is killed, cut off, locked or told a wrong time loses nothing, and the next run finishes it."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backup import heal, server, setup
from backup.machine import Machine
from backup.report import JobReport
from backup.repository import write_private
from backup.restic import Repository, Restic, objects
from backup.testing import Pair

pytestmark = pytest.mark.tools

# What another process does: the same run, from the folders of the machine alone.
RUN = """
import sys
from pathlib import Path
from backup import acts, work
from backup.machine import this_machine
from backup.repository import Layout

machine = this_machine(Layout.under(Path(sys.argv[1])))
reports = work.do(machine, "run", machine.book.select(["portal"]), acts.acts()["run"], lambda _: None)
sys.exit(reports[0].problems[0].exit_code if reports[0].problems else 0)
"""


@pytest.fixture
def busy(pair: Pair) -> Iterator[Pair]:
    """The pair with enough new data that a run takes a second or two."""
    path = pair.pages / "big"
    path.write_bytes(os.urandom(40_000_000))
    yield pair
    path.unlink()


def words(report: JobReport) -> str:
    return "\n".join(problem.report() for problem in report.problems)


def jobs(machine: Machine, command: str) -> list[Path]:
    return list((machine.layout.state / "jobs").glob(f"{command}-*.json"))


def after(seconds: float) -> Callable[[], bool]:
    """Return a moment: so many seconds after it was asked for first."""
    asked: list[float] = []

    def due() -> bool:
        asked.append(time.monotonic())
        return asked[-1] - asked[0] >= seconds

    return due


def kill(machine: Machine, command: str, due: Callable[[], bool], act: Callable[[], object]) -> None:
    """Do ``act`` and kill the restic that does ``command`` for it when it is ``due``."""
    victim = threading.Thread(target=act)
    before = set(jobs(machine, command))
    victim.start()
    end = time.monotonic() + 30
    while not (new := set(jobs(machine, command)) - before) and victim.is_alive():
        assert time.monotonic() < end
        time.sleep(0.005)
    while not due() and victim.is_alive():
        time.sleep(0.01)
    for path in new:
        try:
            os.kill(json.loads(path.read_text())["process"]["pid"], signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            continue  # It was faster than we were.
    victim.join()


def whole(pair: Pair) -> None:
    """Assert that nothing is left over and that ledger, home and copy know the same snapshots."""
    home, far = pair.home.layout.home("portal"), pair.standby.layout.disk("portal")
    assert (*pair.home.restic.locks(home), *pair.standby.restic.locks(far)) == ()
    lines = pair.home.ledger("portal").lines()
    entered = {line.facts["id"] for line in lines if line.kind == "snapshot"}
    assert {one.id for one in pair.home.restic.snapshots(home)} == entered
    assert entered <= {one.source for one in pair.standby.restic.snapshots(far)}
    assert not jobs(pair.home, "*")
    assert objects.unfinished(home) == ()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_killed_at_any_moment_is_made_good_by_the_next(busy: Pair, seed: int) -> None:
    delay = random.Random(seed).uniform(0.2, 1.2)  # noqa: S311 - the same moments each time
    kill(busy.home, "backup", after(delay), lambda: busy.do(busy.home, "run", "portal"))
    report = busy.good(busy.home, "run", "portal")
    assert report.facts["copied"] >= 1
    whole(busy)


@pytest.mark.parametrize("seed", [4])
def test_a_copy_killed_at_any_moment_goes_on(busy: Pair, seed: int) -> None:
    delay = random.Random(seed).uniform(0.5, 2.0)  # noqa: S311 - the same moments each time
    kill(busy.home, "copy", after(delay), lambda: busy.do(busy.home, "run", "portal"))
    busy.good(busy.home, "copy", "portal")
    busy.good(busy.standby, "tend", "portal")
    busy.good(busy.home, "copy", "portal")
    whole(busy)
    busy.good(busy.standby, "verify", "portal")


@pytest.mark.parametrize("verb", ["backup", "copy"])
def test_what_had_been_stored_when_it_was_killed_is_not_stored_again(busy: Pair, verb: str) -> None:
    side = busy.home if verb == "backup" else busy.standby
    packs = side.layout.repositories / "portal" / "data"
    before = size(packs)
    kill(busy.home, verb, lambda: size(packs) - before > 15_000_000, lambda: busy.do(busy.home, "run", "portal"))
    arrived = size(packs) - before
    # The first copy after it takes its lock away, and the DR site then indexes what had come.
    heal.mend(busy.home, busy.home.layout.standby("portal", busy.home.book.server), "portal", writable=False)
    busy.good(busy.standby, "tend", "portal")
    busy.good(busy.home, "run", "portal")
    # All of the file once; of what had come at most a tenth twice, and some kilobytes of indexes and trees.
    assert size(packs) - before < 40_000_000 + 0.1 * arrived + 100_000
    whole(busy)


def test_netdr_itself_killed_takes_its_restic_along(busy: Pair) -> None:
    argv = [sys.executable, "-c", RUN, str(busy.root / "m")]
    with subprocess.Popen(argv) as process:
        end = time.monotonic() + 30
        while not (found := jobs(busy.home, "backup")):
            assert time.monotonic() < end
            time.sleep(0.005)
        time.sleep(0.8)
        entry = json.loads(found[0].read_text())["process"]
        process.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{entry['pid']}").exists():
        assert time.monotonic() < end, "restic goes on although nobody will enter its snapshot"
        time.sleep(0.05)
    busy.good(busy.home, "run", "portal")
    whole(busy)


def test_two_processes_at_once(busy: Pair) -> None:
    argv = [sys.executable, "-c", RUN, str(busy.root / "m")]
    both = [subprocess.Popen(argv) for _ in range(2)]
    codes = sorted(process.wait(120) for process in both)
    # 15: another run is at work (netdr.kernel.errors.BusyError).
    assert codes in ([0, 15], [0, 0])
    whole(busy)


def test_a_killed_prune_leaves_a_repository_that_mends(busy: Pair, tmp_path: Path) -> None:
    busy.good(busy.home, "run", "portal")
    scratch = shutil.copytree(busy.home.layout.repositories / "portal", tmp_path / "portal")
    write_private(tmp_path / "location", f"{scratch}\n")
    repository = Repository("scratch", tmp_path / "location", busy.home.layout.home("portal").password)
    restic = busy.home.restic
    newest = restic.snapshots(repository)[-1].id
    kill(busy.home, "forget", after(0.9), lambda: quietly(restic, repository, newest))
    heal.mend(busy.home, repository, "portal")
    assert objects.names(repository, "locks") == ()
    restic.check(repository, subset="100%", limit=120)
    assert not jobs(busy.home, "forget")


def quietly(restic: Restic, repository: Repository, newest: str) -> None:
    try:
        restic.forget(repository, [newest], prune=True, limit=60)
    except Exception:  # noqa: BLE001 - it is killed
        return


def test_a_killed_verify_leaves_nothing_and_the_next_is_good(busy: Pair) -> None:
    busy.good(busy.home, "run", "portal")
    kill(busy.standby, "check", after(0.1), lambda: busy.do(busy.standby, "verify", "portal"))
    busy.good(busy.standby, "verify", "portal")


def test_a_server_that_dies_and_comes_back(busy: Pair) -> None:
    listener = setup.listener(busy.standby.layout, busy.standby.book.server)
    old = server_pid(listener.address)
    os.kill(old, signal.SIGSTOP)
    # A network that is cut for a while: nothing answers, nothing is refused.
    timer = threading.Timer(3, os.kill, (old, signal.SIGCONT))
    timer.start()
    try:
        busy.good(busy.home, "run", "portal")
    finally:
        timer.join()
    whole(busy)


@pytest.fixture(scope="session")
def servers(pair: Pair) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Servers that were started in place of the pair's own; they end before the pair does."""
    assert pair
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        one.terminate()
        one.wait(20)


def test_a_server_that_dies_and_is_started_again(busy: Pair, servers: list[subprocess.Popen[bytes]]) -> None:
    listener = setup.listener(busy.standby.layout, busy.standby.book.server)
    run = threading.Thread(target=lambda: busy.do(busy.home, "run", "portal"))
    run.start()
    end = time.monotonic() + 30
    while not jobs(busy.home, "copy") and run.is_alive():
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(server_pid(listener.address), signal.SIGKILL)
    end = time.monotonic() + 10
    while server.listens(listener):
        assert time.monotonic() < end
    servers.append(
        subprocess.Popen(server.argv(listener), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    )
    run.join()
    busy.good(busy.home, "copy", "portal")
    whole(busy)


def test_a_server_that_is_gone_is_named_and_what_was_saved_stays(busy: Pair) -> None:
    far = busy.home.layout.standby("portal", busy.home.book.server)
    good = far.location.read_text()
    try:
        # A port where nobody listens.
        write_private(far.location, good.replace(":8000/", ":9/"))
        report = busy.do(busy.home, "run", "portal")
    finally:
        write_private(far.location, good)
    assert "the backup server does not answer" in words(report)
    busy.good(busy.home, "copy", "portal")
    whole(busy)


def test_both_clocks_wrong(busy: Pair) -> None:
    home = dataclasses.replace(busy.home, clock=lambda: busy.home.clock() - timedelta(hours=3))
    standby = dataclasses.replace(busy.standby, clock=lambda: busy.standby.clock() + timedelta(hours=3))
    made = busy.good(home, "run", "portal").facts["snapshot"]
    busy.good(standby, "verify", "portal", snapshot=made)
    busy.good(busy.home, "run", "portal")
    whole(busy)


def test_a_strangers_lock_is_left_alone_and_named(busy: Pair) -> None:
    repository = busy.standby.layout.disk("portal")
    opened = ["--repository-file", str(repository.location), "--password-file", str(repository.password), "--no-cache"]
    argv = ["unshare", "--uts", "sh", "-c", 'hostname stranger; exec restic backup --stdin "$@"', "sh", *opened]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as stranger:
        end = time.monotonic() + 30
        while not objects.names(repository, "locks"):
            assert time.monotonic() < end
            time.sleep(0.05)
        stranger.kill()
    # What comes through the server is the server's.
    shutil.chown(
        busy.standby.layout.repositories / "portal" / "locks" / objects.names(repository, "locks")[0], "backup"
    )
    try:
        report = busy.good(busy.standby, "tend", "portal")
        assert len(report.facts["locks"]) == 1
        assert "on stranger since" in report.facts["locks"][0]
        assert len(objects.names(repository, "locks")) == 1
        busy.good(busy.home, "run", "portal")
    finally:
        for name in objects.names(repository, "locks"):
            objects.unlock(repository, name)
    whole(busy)


def size(packs: Path) -> int:
    """Return the bytes of the packs that are whole: restic and rclone write them under other names first."""
    return sum(path.stat().st_size for path in packs.rglob("?" * 64) if path.is_file())


def server_pid(address: str) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv = entry.read_text().split("\0")
        except OSError:
            continue
        if "rclone" in argv[0] and any(address in word for word in argv):
            return int(entry.parent.name)
    raise LookupError(address)
