"""Each fault does what it says to a real node, and its undo leaves the node as it was."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess

import pytest

from lab import control
from lab.faults.clock import ENVIRONMENT, ClockJump, DeviceClockJump
from lab.faults.disk import DiskFull
from lab.faults.fault import Fault
from lab.faults.power import PowerLost, Rebooted
from lab.faults.program import Garbage
from lab.faults.sessions import Hung, SshDropped
from lab.faults.uplinks import UplinksCut
from lab.install import PROGRAM
from lab.testing import RunningLab

pytestmark = pytest.mark.lab

DEVICE = "acc-mill"
FOLDERS = ("/etc", "/var/lib/netdr")
HELLO = '{"verb": "hello"}\\n'


@contextmanager
def struck(fault: Fault) -> Iterator[None]:
    fault.prepare()
    try:
        fault.strike()
        yield
    finally:
        fault.heal()
        fault.clear()


@contextmanager
def ready(fault: Fault) -> Iterator[None]:
    fault.prepare()
    try:
        yield
    finally:
        fault.clear()


def ssh(lab: RunningLab) -> str:
    """Return the command that opens a session with the device, for the controller."""
    address, account = lab.network.node(DEVICE).loopback, lab.network.district.settings.management.account
    folder = "/var/lib/netdr/ssh"
    options = f"-i {folder}/id_ed25519 -o UserKnownHostsFile={folder}/known_hosts -o BatchMode=yes -o ConnectTimeout=3"
    return f"ssh {options} {account}@{address} sudo -n {PROGRAM} session"


def asked(lab: RunningLab, requests: str, limit: float = 20) -> CompletedProcess[str]:
    """Ask the device over ssh, from the controller; what is no ASCII text of its answer is left out."""
    script = f"printf '{requests}' | timeout {limit} {ssh(lab)} | tr -cd '\\n -~'"
    return lab.run(lab.network.hosts("controller")[0].id, "sh", "-c", script)


def until(done: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def answers(lab: RunningLab) -> bool:
    return asked(lab, HELLO).stdout.startswith('{"program"')


def written(lab: RunningLab, path: str, text: str) -> CompletedProcess[str]:
    return lab.run(DEVICE, "sh", "-c", f"echo {text} | tee {path} >/dev/null")


def test_a_full_disk_takes_nothing_more_until_there_is_room(running_lab: RunningLab) -> None:
    fault = DiskFull(running_lab.name, DEVICE, FOLDERS)
    name = running_lab.run(DEVICE, "cat", "/etc/hostname").stdout
    with ready(fault):
        assert written(running_lab, "/etc/netdr-before", "one").returncode == 0
        fault.strike()
        refused = [written(running_lab, f"{folder}/netdr-full", "two") for folder in FOLDERS]
        fault.heal()
        assert all("No space left on device" in one.stderr for one in refused)
        assert written(running_lab, "/var/lib/netdr/after", "three").returncode == 0
        running_lab.run(DEVICE, "rm", "-f", "/etc/netdr-full", "/var/lib/netdr/netdr-full")
    read = running_lab.run(DEVICE, "cat", "/etc/netdr-before", "/var/lib/netdr/after", "/etc/hostname")
    assert read.stdout == f"one\nthree\n{name}"
    assert "netdr-fault" not in running_lab.run(DEVICE, "cat", "/proc/mounts").stdout
    running_lab.run(DEVICE, "rm", "/etc/netdr-before", "/var/lib/netdr/after")


def test_what_is_removed_while_the_disk_is_small_stays_removed(running_lab: RunningLab) -> None:
    written(running_lab, "/etc/netdr-gone", "one")
    with ready(DiskFull(running_lab.name, DEVICE, FOLDERS)):
        running_lab.run(DEVICE, "rm", "/etc/netdr-gone")
    assert running_lab.run(DEVICE, "cat", "/etc/netdr-gone").returncode != 0


def test_a_clock_jumps_for_the_programs_that_have_it_and_for_nothing_else(running_lab: RunningLab) -> None:
    fault = ClockJump(running_lab.name, DEVICE, 3600)
    environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    program = "import time; a = time.monotonic(); time.sleep(0.2); print(time.time(), time.monotonic() - a)"

    def clocks() -> tuple[float, float]:
        ran = running_lab.run(DEVICE, "env", *environment, "python3", "-c", program).stdout.split()
        return float(ran[0]) - time.time(), float(ran[1])

    with struck(fault):
        jump, slept = clocks()
        outside = float(running_lab.run(DEVICE, "date", "+%s").stdout) - time.time()
    assert abs(jump - 3600) < 5
    assert 0.2 <= slept < 2
    assert abs(outside) < 5
    assert abs(clocks()[0]) < 5


def test_the_program_on_a_device_is_started_with_the_clock_that_jumps(running_lab: RunningLab) -> None:
    with struck(DeviceClockJump(running_lab.name, DEVICE, -3600)):
        assert answers(running_lab)
        started = running_lab.run(DEVICE, "cat", PROGRAM).stdout
    assert all(f"{name}={value}" in started for name, value in ENVIRONMENT.items())
    assert "LD_PRELOAD" not in running_lab.run(DEVICE, "cat", PROGRAM).stdout


def test_garbage_is_no_answer_and_the_device_s_own_timers_go_on(running_lab: RunningLab) -> None:
    with struck(Garbage(running_lab.name, DEVICE)):
        said = asked(running_lab, HELLO * 2).stdout.splitlines()
        assert running_lab.run(DEVICE, PROGRAM, "pending").stdout.startswith('{"pending": false')
    assert "502" in said[0]
    assert said[1] == '[{"program": null}]'
    assert answers(running_lab)


def test_who_asks_a_hung_device_waits_until_it_goes_on(running_lab: RunningLab) -> None:
    with struck(Hung(running_lab.name, DEVICE)):
        assert asked(running_lab, HELLO, limit=3).stdout == ""
    assert answers(running_lab)


def test_a_dropped_session_ends_and_the_next_one_is_welcome(running_lab: RunningLab) -> None:
    argv = control.enter(running_lab.name, running_lab.network.hosts("controller")[0].id)
    pipe = subprocess.PIPE
    with subprocess.Popen([*argv, *ssh(running_lab).split()], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(HELLO.encode().replace(b"\\n", b"\n"))
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"program"')
        SshDropped(running_lab.name, DEVICE).strike()
        assert process.wait(timeout=10) == 255  # ssh(1): its own failure, not the program's
    assert answers(running_lab)


def test_a_device_without_uplinks_runs_and_is_not_reached(running_lab: RunningLab) -> None:
    assert answers(running_lab)
    with struck(UplinksCut(running_lab.name, DEVICE)):
        assert asked(running_lab, HELLO, limit=5).stdout == ""
        assert running_lab.run(DEVICE, PROGRAM, "pending").stdout.startswith('{"pending": false')
    assert until(lambda: answers(running_lab))


@pytest.mark.parametrize("kind", [PowerLost, Rebooted])
def test_power_takes_what_is_in_memory_and_leaves_the_disk(running_lab: RunningLab, kind: type[PowerLost]) -> None:
    for path in ("/run/netdr-memory", "/var/lib/netdr/disk"):
        written(running_lab, path, "here")
    with struck(kind(running_lab.name, DEVICE)):
        pass
    assert running_lab.run(DEVICE, "cat", "/run/netdr-memory").returncode != 0
    assert running_lab.run(DEVICE, "cat", "/var/lib/netdr/disk").stdout == "here\n"
    running_lab.run(DEVICE, "rm", "/var/lib/netdr/disk")
    assert until(lambda: answers(running_lab))
