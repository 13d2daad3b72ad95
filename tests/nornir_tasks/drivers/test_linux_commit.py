"""A commit that waits, is cut off, is killed, or meets another: timers, restarts, kills and races."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from napalm.base.exceptions import CommitError

from nornir_tasks.drivers.linux_device import OWNED

if TYPE_CHECKING:
    from conftest import Rig

pytestmark = pytest.mark.lab

PROGRAM = "/usr/local/sbin/netdr-device"
RECORD = "/var/lib/netdr/device/commit.json"
BANNER = "/etc/issue.net"
OLD, NEW = "A switch of the tests.\n", "A switch of the tests.\nIt was changed.\n"


def _wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def _gone(rig: Rig) -> bool:
    return not rig.file(RECORD).exists()


def _pending(rig: Rig) -> dict[str, object]:
    return dict(json.loads(rig.device("pending")))


def test_the_timer_fires_with_no_one_connected(initial: Rig) -> None:
    before = initial.snapshot()
    driver = initial.opened()
    driver.load_replace_candidate(config=initial.text("new_good"))
    driver.commit_config(revert_in=3)
    assert driver.has_pending_commit()
    driver.close()
    assert initial.file(BANNER).read_text() == NEW
    _wait(lambda: _gone(initial))
    after = initial.snapshot()
    assert {k: v for k, v in after.items() if not k.startswith("pidof")} == {
        k: v for k, v in before.items() if not k.startswith("pidof")
    }
    assert "it was not confirmed in time" in initial.file("/var/log/netdr-device.log").read_text()


def test_the_timer_fires_on_a_full_disk(initial: Rig) -> None:
    folder = "/var/lib/netdr/device"
    initial.run("sw", "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder)
    try:
        initial.device("commit", "--revert-in", "3", text=initial.text("new_good"))
        initial.run("sw", "sh", "-c", f"dd if=/dev/zero of={folder}/ballast bs=4k", check=False)
        _wait(lambda: _gone(initial))
        assert initial.file(BANNER).read_text() == OLD
        assert initial.device("running") == initial.text("initial")
    finally:
        initial.run("sw", "umount", folder)


def test_what_is_pending_is_told_with_its_author_and_time(initial: Rig) -> None:
    text = initial.text("new_good")
    initial.device("commit", "--revert-in", "600", "--id", "c1", "--by", "li@desk", "--message", "ticket 7", text=text)
    pending = _pending(initial)
    assert (pending["pending"], pending["id"], pending["by"], pending["message"]) == (True, "c1", "li@desk", "ticket 7")
    left = pending["seconds_left"]
    assert isinstance(left, float)
    assert 500 < left <= 600


def test_a_second_commit_is_refused_and_told_who_waits(initial: Rig) -> None:
    initial.device("commit", "--revert-in", "600", "--by", "li@desk", text=initial.text("new_good"))
    error = initial.commit("initial")["error"]
    assert error["kind"] == "pending"
    assert "of li@desk" in error["problems"][0]["words"]
    assert initial.device("running") == initial.text("new_good")


def test_a_confirmed_commit_stays(initial: Rig) -> None:
    driver = initial.opened()
    driver.load_replace_candidate(config=initial.text("new_good"))
    driver.commit_config(revert_in=600)
    driver.confirm_commit()
    assert not driver.has_pending_commit()
    driver.close()
    assert not initial.run("sw", "pgrep", "-f", "expire", check=False).stdout
    initial.restart()
    assert initial.device("running") == initial.text("new_good")


def test_a_confirmation_after_the_end_is_refused(initial: Rig) -> None:
    driver = initial.opened()
    driver.load_replace_candidate(config=initial.text("new_good"))
    driver.commit_config(revert_in=1)
    _wait(lambda: _gone(initial))
    with pytest.raises(CommitError, match="no pending commit"):
        driver.confirm_commit()
    assert not driver.has_pending_commit()
    driver.close()


def test_a_confirmation_is_for_the_commit_of_the_same_driver(initial: Rig) -> None:
    driver = initial.opened()
    driver.load_replace_candidate(config=initial.text("new_good"))
    driver.commit_config(revert_in=600)
    initial.device("rollback")
    initial.device("commit", "--revert-in", "600", text=initial.text("new_good"))
    with pytest.raises(CommitError, match="no pending commit"):
        driver.confirm_commit()
    assert driver.has_pending_commit()
    driver.close()


def test_an_overdue_commit_is_undone_by_whoever_comes_when_its_timer_was_killed(initial: Rig) -> None:
    initial.device("commit", "--revert-in", "2", text=initial.text("new_good"))
    initial.run("sw", "kill", "-9", str(json.loads(initial.file(RECORD).read_text())["timer"]))
    time.sleep(2.5)
    assert initial.file(BANNER).read_text() == NEW
    assert not _pending(initial)["pending"]
    assert initial.device("running") == initial.text("initial")


def test_a_restart_undoes_what_was_pending_before_anything_reads_it(initial: Rig) -> None:
    initial.device("commit", "--revert-in", "3600", text=initial.text("new_good"))
    initial.restart()
    assert _gone(initial)
    assert initial.device("running") == initial.text("initial")
    assert "the device restarted before it was confirmed" in initial.file("/var/log/netdr-device.log").read_text()


def _kill_when(rig: Rig, condition: Callable[[], bool], *options: str) -> bool:
    """Start a commit and kill it with SIGKILL as soon as ``condition`` holds; return False if it ended before."""
    process = rig.start("sw", PROGRAM, "commit", *options)
    assert process.stdin is not None
    process.stdin.write(rig.text("new_good"))
    process.stdin.close()
    process.stdin = None
    limit = time.monotonic() + 60
    while not condition() and process.poll() is None:
        assert time.monotonic() < limit
    killed = process.poll() is None
    if killed:
        rig.run("sw", "kill", "-9", rig.file("/var/lib/netdr/device/lock").read_text())
    rig.end(process)
    return killed


def _changed(rig: Rig) -> int:
    """Return how many of the files that the commit changes are changed by now."""
    names = {"/etc/issue.net", "/etc/nftables.conf", "/etc/network/interfaces", "/etc/frr/frr.conf"}
    names |= {"/etc/lldpd.d/netdr.conf", "/etc/snmp/snmpd.conf", "/etc/ssh/sshd_config"}
    old = {part.split(" ", 1)[0]: part for part in rig.text("initial").split("#: file ")}
    return sum(
        rig.file(name).exists() and not old.get(name, "").endswith(rig.file(name).read_text() or "\0") for name in names
    )


@pytest.mark.parametrize("files", range(8))
def test_a_commit_killed_in_the_middle_is_undone_by_the_next_call(initial: Rig, files: int) -> None:
    before = initial.snapshot()
    started = lambda: initial.file(RECORD).exists() and _changed(initial) >= files  # noqa: E731 - a name for a condition
    if not _kill_when(initial, started):
        pytest.skip("it was faster than the eye")
    assert initial.file(RECORD).exists()
    assert initial.device("running") == initial.text("initial")
    assert _gone(initial)
    after = initial.snapshot()
    assert {k: v for k, v in after.items() if not k.startswith("pidof")} == {
        k: v for k, v in before.items() if not k.startswith("pidof")
    }
    assert "it was never finished" in initial.file("/var/log/netdr-device.log").read_text()


def test_a_killed_commit_with_a_timer_needs_no_next_call(initial: Rig) -> None:
    assert _kill_when(initial, lambda: _changed(initial) >= 3, "--revert-in", "4")
    assert initial.file(RECORD).exists()
    _wait(lambda: _gone(initial))
    assert initial.device("running") == initial.text("initial")


def test_a_killed_commit_is_undone_by_a_restart(initial: Rig) -> None:
    assert _kill_when(initial, lambda: _changed(initial) >= 3)
    initial.restart()
    assert initial.device("running") == initial.text("initial")


def test_an_undo_killed_in_the_middle_is_finished_by_the_next_call(initial: Rig) -> None:
    initial.device("commit", "--revert-in", "3600", text=initial.text("new_good"))
    process = initial.start("sw", PROGRAM, "rollback")
    undoing = lambda: '"undoing"' in initial.file(RECORD).read_text()  # noqa: E731 - a name for a condition
    _wait(lambda: process.poll() is not None or undoing())
    initial.run("sw", "kill", "-9", initial.file("/var/lib/netdr/device/lock").read_text())
    initial.end(process)
    assert initial.device("running") == initial.text("initial")


def test_of_two_commits_at_once_one_wins_and_the_other_is_told(initial: Rig) -> None:
    other = initial.text("initial").replace("A switch", "The switch")
    with ThreadPoolExecutor(2) as pool:
        commits = [pool.submit(initial.commit, text, "--revert-in", "600") for text in ("new_good", other)]
    answers = [commit.result() for commit in commits]
    assert sorted("error" in answer for answer in answers) == [False, True]
    lost = next(answer for answer in answers if "error" in answer)
    assert lost["error"]["kind"] == "pending"
    winner = initial.text("new_good") if "error" in answers[1] else other
    assert initial.device("running") == winner


def test_of_a_confirmation_and_the_timer_exactly_one_wins(initial: Rig) -> None:
    outcomes = set()
    for number, early in enumerate((0.4, 0.2, 0.1, 0.05, 0.0, -0.1)):
        new = initial.text("initial").replace("A switch", f"Switch {number}")
        initial.device("commit", "--revert-in", "1", "--id", f"c{number}", text=new)
        time.sleep(max(0.0, _deadline(initial) - _boottime() - early))
        confirmed = "error" not in json.loads(initial.device("confirm", "--id", f"c{number}", check=False))
        assert not _pending(initial)["pending"]
        time.sleep(1.5)  # for the timer to do harm if it could
        assert initial.device("running") == (new if confirmed else initial.text("initial"))
        initial.device("commit", text=initial.text("initial"))
        outcomes.add(confirmed)
    assert outcomes  # either may win, each time; never both, never none


def _deadline(rig: Rig) -> float:
    """Return when the pending commit ends; if it is over already, now."""
    try:
        return float(json.loads(rig.file(RECORD).read_text())["deadline"])
    except FileNotFoundError:
        return _boottime()


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_every_owned_file_is_looked_at_by_these_tests(initial: Rig) -> None:
    assert {path for path in OWNED if initial.file(path).exists()} <= initial.snapshot().keys()
