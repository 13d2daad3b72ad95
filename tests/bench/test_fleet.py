"""The engine, unchanged, on emulated devices: all or none, whatever one of sixty does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import fleet
import pytest

from inventory import placement
from inventory import secrets as vault
from nornir_tasks import engine
from nornir_tasks.engine import Engine

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> fleet.Place:
    return fleet.place(tmp_path_factory.mktemp("fleet") / "district", 60)


@pytest.fixture(scope="module")
def served(place: fleet.Place) -> Iterator[fleet.Fleet]:
    with fleet.running(place, place.texts()[0]) as found:
        yield found


@contextmanager
def opened(place: fleet.Place) -> Iterator[Engine]:
    network = place.network
    secrets = vault.load(place.state, vault.references(network.district))
    with engine.opened(network, placement.home(network.district), secrets, place.state) as found:
        yield found


def test_day_0_reaches_every_device_and_then_there_is_nothing_to_do(place: fleet.Place, served: fleet.Fleet) -> None:
    before, after = place.texts()
    served.put(before)
    with opened(place) as devices:
        assert devices.deploy(devices.plan_change()).result == "done"
        assert served.running() == after
        assert devices.deploy(devices.plan_change()).result == "nothing"


@pytest.mark.parametrize("kind", ["refuse", "drop", "drop-after", "garbage", "power", "power-after", "revert"])
@pytest.mark.parametrize("verb", ["commit", "confirm"])
def test_a_fault_of_one_device_leaves_all_as_they_were_or_as_they_should_be(
    place: fleet.Place, served: fleet.Fleet, verb: str, kind: str
) -> None:
    before, after = place.texts()
    served.put(before)
    victim = list(served.devices)[20]
    served.fault(victim, verb, kind, seconds=1.0)
    with opened(place) as devices:
        report = devices.deploy(devices.plan_change())
    assert report.result in {"done", "restored"}
    assert served.running() == (after if report.result == "done" else before)
    assert served.pending() == ()


def netdr(place: fleet.Place, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", "from netdr.cli import main; main()", "-i", str(place.folder), *words]
    env = os.environ | {"PYTHONPATH": str(fleet.ROOT), "LC_ALL": "C.UTF-8"} | environment
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_takes_a_runner(place: fleet.Place, served: fleet.Fleet) -> None:
    served.put(place.texts()[0])
    found = json.loads(netdr(place, "diff", "--json", NETDR_RUNNER="processes").stdout)
    assert sorted(found["changed"]) == sorted(served.devices)
    wrong = netdr(place, "diff", "--runner", "thread")
    assert wrong.returncode == 2
    assert "unknown runner 'thread'; known: dask:ADDRESS, processes, threads" in wrong.stderr
