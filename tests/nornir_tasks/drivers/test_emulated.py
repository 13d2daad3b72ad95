"""The emulated platform: the linux driver's words to a real process, and every fault it can be told to have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fleet
import pytest
from napalm.base import exceptions as napalm

from nornir_tasks.drivers.emulated import EmulatedDriver

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> fleet.Place:
    return fleet.place(tmp_path_factory.mktemp("emulated") / "district", 12)


@pytest.fixture(scope="module")
def served(place: fleet.Place) -> Iterator[fleet.Fleet]:
    with fleet.running(place, place.texts()[1]) as found:
        yield found


@pytest.fixture
def device(place: fleet.Place, served: fleet.Fleet) -> Iterator[EmulatedDriver]:
    name, address = next(iter(served.devices.items()))
    served.put({name: place.texts()[1][name]})
    driver = opened(place, address)
    yield driver
    driver.close()


def opened(place: fleet.Place, address: str, timeout: int = 5) -> EmulatedDriver:
    driver = EmulatedDriver(address, "netdr", "", timeout, {"key_file": str(place.token)})
    driver.open()
    return driver


def first(served: fleet.Fleet) -> str:
    return next(iter(served.devices))


def test_a_change_is_made_confirmed_and_taken_back(device: EmulatedDriver) -> None:
    before = device.get_config(retrieve="running")["running"]
    device.load_replace_candidate(config=before.replace("hostname", "hostname of", 1) + "more\n")
    assert "+more" in device.compare_config()
    device.commit_config(revert_in=60)
    assert device.has_pending_commit()
    device.confirm_commit()
    assert not device.has_pending_commit()
    device.rollback()
    assert device.get_config(retrieve="running")["running"] == before


def test_its_neighbours_are_those_of_the_whole_district(device: EmulatedDriver) -> None:
    assert len(device.get_bgp_neighbors()["global"]["peers"]) > 0


def test_who_does_not_hold_the_token_is_refused(place: fleet.Place, served: fleet.Fleet, tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text(f"0123456789abcdef {place.token.read_text().split()[1]}")
    address = served.devices[first(served)]
    with pytest.raises(napalm.ConnectAuthError):
        EmulatedDriver(address, "netdr", "", 5, {"key_file": str(wrong)}).open()
    with pytest.raises(napalm.ConnectionException):
        EmulatedDriver(address, "netdr", "", 5, {}).open()


@pytest.mark.usefixtures("served")
def test_a_token_that_others_can_read_serves_nobody(place: fleet.Place, tmp_path: Path) -> None:
    open_to_all = tmp_path / "token"
    open_to_all.write_text("0123456789abcdef 7022")
    open_to_all.chmod(0o644)
    argv = [sys.executable, "-m", "lab.fleet", str(place.state / "fleet.json"), str(open_to_all)]
    done = subprocess.run(argv, cwd=fleet.ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode
    assert "chmod 600" in done.stderr


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("refuse", napalm.CommandErrorException, False),
        ("drop", napalm.ConnectionClosedException, False),
        ("drop-after", napalm.ConnectionClosedException, True),
        ("garbage", napalm.ConnectionClosedException, True),
        ("hang", napalm.CommandTimeoutException, False),
    ],
)
def test_a_fault_happens_once_and_as_it_says(
    place: fleet.Place, served: fleet.Fleet, kind: str, error: type[Exception], done: bool
) -> None:
    before = place.texts()[1][first(served)]
    served.put({first(served): before})
    served.fault(first(served), "commit", kind, seconds=10)
    hurt = opened(place, served.devices[first(served)], timeout=1)
    hurt.load_replace_candidate(config=before + "more\n")
    with pytest.raises(error):
        hurt.commit_config(revert_in=60)
    hurt.close()
    assert (served.ask(first(served), "running")["text"] == before) is not done
    assert served.ask(first(served), "pending")["pending"] is done


def test_a_device_without_power_comes_back_as_it_was_before(
    place: fleet.Place, served: fleet.Fleet, device: EmulatedDriver
) -> None:
    before = device.get_config(retrieve="running")["running"]
    served.fault(first(served), "commit", "power-after", seconds=1.0)
    device.load_replace_candidate(config=before + "more\n")
    with pytest.raises(napalm.ConnectionException):
        device.commit_config(revert_in=60)
    with pytest.raises(napalm.ConnectionException):
        opened(place, served.devices[first(served)])
    assert fleet.wait_for(lambda: served.running().get(first(served)) == before)
    assert "restarted" in str(served.ask(first(served), "pending")["undone"])


def test_a_device_reverts_by_itself_when_nobody_confirms(served: fleet.Fleet, device: EmulatedDriver) -> None:
    before = device.get_config(retrieve="running")["running"]
    device.load_replace_candidate(config=before + "more\n")
    device.commit_config(revert_in=1)
    device.close()
    assert served.running()[first(served)] != before
    assert fleet.wait_for(lambda: served.running()[first(served)] == before)
    assert "in time" in str(served.ask(first(served), "pending")["undone"])
