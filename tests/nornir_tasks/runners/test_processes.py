"""The processes runner, with real processes and real connections: what it does, and what it survives."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fleet
import pytest

from netdr.kernel.errors import UnreachableError
from nornir_tasks import actions
from nornir_tasks.each import Each
from nornir_tasks.runners.pinned import Pinned
from nornir_tasks.runners.processes import Processes

if TYPE_CHECKING:
    from conftest import Scene, Strike

pytestmark = pytest.mark.tools

HOLDING = """
import sys, time
from pathlib import Path
from multiprocessing import active_children
import fleet
from nornir_tasks.connect import open_device
from nornir_tasks.fleet import Fleet
from nornir_tasks.runners import chosen
from nornir_tasks.actions import running
from nornir_tasks.each import Each

if __name__ == "__main__":
    place = fleet.Place(Path(sys.argv[1]))
    devices = Fleet(place.network, place.state, open_device, str, chosen("processes", place.state))
    names = [node.id for node in place.network.devices]
    assert devices.run(names, "read", Each(running)).outcomes.ok
    print(*(child.pid for child in active_children()), flush=True)
    time.sleep(60)
"""


READ = Each(actions.running)


def victim() -> int:
    """Return the process id of one of the workers."""
    return min(child.pid for child in multiprocessing.active_children() if child.name == "netdr-worker" and child.pid)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


def test_a_change_reaches_every_device_and_everyone_is_told(scene: Scene, strike: type[Strike]) -> None:
    watching = strike("nothing", lambda: None)
    with scene.engine("processes") as devices:
        report = devices.deploy(devices.plan_change(), watching.options)
    assert report.result == "done"
    assert watching.seen == set(scene.after)
    scene.assert_all_or_none(report)
    assert not [child for child in multiprocessing.active_children() if child.name == "netdr-worker"]


@pytest.mark.parametrize("stage", ["prepare", "arm", "verify", "confirm"])
def test_a_worker_killed_in_any_stage_leaves_all_or_none(scene: Scene, strike: type[Strike], stage: str) -> None:
    killing = strike(stage, lambda: os.kill(victim(), signal.SIGKILL))
    with scene.engine("processes") as devices:
        report = devices.deploy(devices.plan_change(), killing.options)
    assert killing.struck
    scene.assert_all_or_none(report)
    if report.result != "done":
        assert "is lost" in " ".join(map(str, report.failures))


def test_a_worker_that_hangs_costs_its_devices_one_step(scene: Scene) -> None:
    names = list(scene.after)
    pool = Processes(2)
    # The first step starts processes and loads drivers, which takes longer than anybody is to wait below.
    assert scene.fleet(Pinned(pool)).run(names, "read", READ).outcomes.ok
    with scene.fleet(Pinned(pool, patience=4.0)) as devices:
        assert devices.run(names, "read", READ).outcomes.ok
        hung = victim()
        os.kill(hung, signal.SIGSTOP)
        failures = devices.run(names, "read", READ).outcomes.failures
        assert len(failures) == len(names) // 2
        assert {type(failure) for failure in failures} == {UnreachableError}
        assert "said nothing" in str(failures[0])
        assert not alive(hung)
        assert devices.run(names, "read", READ).values == scene.before


def test_workers_end_with_their_controller_however_it_dies(scene: Scene, tmp_path: Path) -> None:
    script = tmp_path / "hold.py"
    script.write_text(HOLDING)
    paths = os.pathsep.join([str(fleet.ROOT), str(fleet.ROOT / "bench")])
    argv = [sys.executable, str(script), str(scene.place.folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}) as held:
        assert held.stdout
        workers = [int(word) for word in held.stdout.readline().split()]
        assert [alive(pid) for pid in workers] == [True, True]
        held.kill()
    assert fleet.wait_for(lambda: not any(map(alive, workers)))
