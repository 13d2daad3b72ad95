"""The engine, unchanged, on emulated devices: all or none, whatever one of sixty does."""

from __future__ import annotations

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
