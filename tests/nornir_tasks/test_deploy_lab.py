"""Changes of a whole running district: real devices, reached in band, from its controller."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from inventory import load
from lab import control
from lab.testing import RunningLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

LINWU = Path(__file__).parents[1] / "districts/linwu"
CONTROLLER, OTHER, DEVICES = "warden", "warden-b", 13
PLAN = "/var/lib/netdr/plans/test.json"
# Runs on the controller: waits until the journal says that a commit begins, then sends the change a signal.
AMBUSH = """
import json, os, sqlite3, sys, time
state, number, step, later = "/var/lib/netdr/", int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
rows = f"select count(*) from steps where step = '{step}' and transaction_id = (select max(id) from transactions)"
before = sqlite3.connect(state + "journal/journal.sqlite").execute("select max(id) from transactions").fetchone()[0]
newest = "select max(id) from transactions"
for _ in range(3000):
    db = sqlite3.connect(state + "journal/journal.sqlite")
    if db.execute(newest).fetchone()[0] > before and db.execute(rows).fetchone()[0]:
        time.sleep(later)
        os.kill(json.load(open(state + "change.lock"))["pid"], number)
        break
    time.sleep(0.02)
"""


@dataclass(frozen=True)
class District:
    """A running lab on a folder of its own, whose files a test may change."""

    lab: RunningLab
    first: dict[str, Any]

    def netdr(self, *arguments: str) -> CompletedProcess[str]:
        return self.lab.run(CONTROLLER, "netdr", *arguments, limit=300)

    def deploy(self, *arguments: str) -> dict[str, Any]:
        done = self.netdr("deploy", *arguments, "--yes", "--json")
        assert done.stdout.startswith("{"), done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def running(self) -> dict[str, str]:
        """Return what every device runs, asked at its console: netdr is not part of this."""
        devices = [node.id for node in self.lab.network.devices]
        ask = ("/usr/local/sbin/netdr-device", "running")
        with ThreadPoolExecutor(4) as pool:
            done = pool.map(lambda device: self.lab.run(device, *ask), devices)
            return {device: answer.stdout for device, answer in zip(devices, done, strict=True)}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.lab.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """A district that has been brought from day 0 to its full configuration."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    folder = tmp_path_factory.mktemp("deploy") / "linwu"
    shutil.copytree(LINWU, folder, ignore=shutil.ignore_patterns(".netdr"))
    lab = RunningLab(f"deploy-{os.getpid()}", load.network(folder), folder, tmp_path_factory.mktemp("state"))
    up = lab.netdr("lab", "up", "--name", lab.name)
    try:
        if up.returncode == 13:
            pytest.skip(up.stderr.strip())
        assert up.returncode == 0, up.stderr
        yield District(lab, District(lab, {}).deploy())
    finally:
        control.down(lab.name)


@pytest.fixture
def district(made: District) -> District:
    """The same, with its files as they were and its devices at their full configuration, before and after a test."""
    for file in LINWU.glob("*.yaml"):
        shutil.copy(file, made.lab.folder / file.name)
    assert made.deploy()["result"] in {"done", "nothing"}
    return made


def change_all(district: District) -> None:
    """Let the intent change on every device: it names its contact."""
    district.edit("district.yaml", "Linwu county network", "Linwu renamed")


def test_every_device_goes_from_day_0_to_full(made: District) -> None:
    assert made.first["result"] == "done", made.first["problems"]
    assert len(made.first["changed"]) == DEVICES


def test_a_second_deploy_finds_nothing_to_do(district: District) -> None:
    report = district.deploy()
    assert (report["result"], report["changed"]) == ("nothing", [])
    assert district.netdr("deploy").returncode == 0


def test_a_new_user_network_touches_one_device(district: District) -> None:
    before = district.running()
    vlan = "      - {id: 31, name: desks, zone: desk, prefixlen: 24}\n"
    district.edit("units.yaml", vlan, vlan + "      - {id: 33, name: annex, zone: desk, prefixlen: 27}\n")
    assert district.lab.netdr("inventory", "allocate").returncode == 0
    district.lab.run("acc-school", "ip", "link", "add", "swp4", "type", "veth", "peer", "name", "cable4")
    report = district.deploy()
    assert (report["result"], report["changed"]) == ("done", ["acc-school"]), report["problems"]
    after = district.running()
    assert [device for device in before if before[device] != after[device]] == ["acc-school"]


def test_a_failed_check_brings_every_changed_device_back(district: District) -> None:
    before = district.running()
    change_all(district)
    report = district.deploy("--check", "false")
    assert (report["result"], len(report["rolled_back"])) == ("restored", DEVICES), report
    assert [problem["kind"] for problem in report["problems"]] == ["verify"]
    assert district.running() == before


def test_drift_since_the_plan_is_refused_and_shown(district: District) -> None:
    change_all(district)
    assert district.netdr("plan", "--out", PLAN).returncode == 0
    before = district.running()
    district.lab.run("hub", "vtysh", "-c", "conf t", "-c", "ip prefix-list by-hand seq 5 permit 10.1.0.0/16")
    report = district.deploy(PLAN)
    assert (report["result"], [p["where"] for p in report["problems"]]) == ("refused", ["hub"])
    assert "+ ip prefix-list by-hand seq 5 permit 10.1.0.0/16" in report["problems"][0]["why"]
    after = district.running()
    assert [device for device in before if before[device] != after[device]] == ["hub"]


def test_the_devices_go_back_by_themselves_when_the_controller_is_killed(district: District) -> None:
    before = district.running()
    change_all(district)
    assert district.netdr("plan", "--out", PLAN).returncode == 0
    district.lab.run(CONTROLLER, "sed", "-i", 's/"revert": [0-9]*/"revert": 40/', PLAN)
    with ambush(district, 9):
        done = district.netdr("deploy", PLAN, "--yes")
    assert done.returncode in {-9, 137}
    assert until(60, lambda: district.running() == before)
    for device in before:
        answer = district.lab.run(device, "/usr/local/sbin/netdr-device", "pending").stdout
        assert json.loads(answer)["pending"] is False
    # The change has not ended for that: nobody has said so, and the next one waits.
    done = district.netdr("deploy", "--yes")
    assert (done.returncode, "never ended" in done.stderr) == (15, True)
    assert ended(district, CONTROLLER, "--abort")["result"] == "restored"
    assert district.running() == before


def ended(district: District, controller: str, way: str) -> dict[str, Any]:
    done = district.lab.run(controller, "netdr", "deploy", way, "--json", limit=300)
    assert done.stdout.startswith("{"), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize(("step", "way", "result"), [("arm", "--resume", "done"), ("confirm", "--abort", "restored")])
def test_the_dr_site_ends_what_the_killed_controller_began(
    district: District, step: str, way: str, result: str
) -> None:
    before = district.running()
    change_all(district)
    with ambush(district, 9, step, 0.05):
        done = district.netdr("deploy", "--yes")
    assert done.returncode in {-9, 137}
    status = ended(district, OTHER, "--status")
    assert status["open"]
    assert {device["where"] for device in status["devices"].values()} <= {"old", "armed", "new"}
    report = ended(district, OTHER, way)
    assert (report["result"], report["problems"]) == (result, [])
    assert (district.running() == before) == (result == "restored")
    # The first controller hears of it, and has nothing left to do there.
    assert ended(district, CONTROLLER, "--status") == {"open": False}
    assert district.netdr("deploy", "--abort").returncode == 2
    assert district.deploy()["result"] == ("nothing" if result == "done" else "done")


def test_ctrl_c_brings_every_changed_device_back_and_says_so(district: District) -> None:
    before = district.running()
    change_all(district)
    with ambush(district, 2):
        done = district.netdr("deploy", "--yes")
    assert done.returncode == 130, done.stderr
    assert "previous configuration" in done.stdout
    assert district.running() == before


class ambush:  # noqa: N801 - used like a function
    """While it is entered, a process on the controller waits for a change to begin its commits and signals it."""

    def __init__(self, district: District, number: int, step: str = "arm", later: float = 0.3) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._district, self._words = district, [str(number), step, str(later)]

    def __enter__(self) -> None:
        run = self._district.lab.run
        self._done = self._pool.submit(run, CONTROLLER, "python", "-c", AMBUSH, *self._words, limit=120)
        time.sleep(1.0)  # until it has read which transaction was the last one

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        assert self._done.result().returncode == 0, self._done.result().stderr


def until(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(2)
    return True
