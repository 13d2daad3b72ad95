"""An emulated device is as netdr-device is: it undoes what nobody confirms, also after a loss of power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from lab.fleet.device import Device, Refused

OLD, NEW = "hostname a\n", "hostname a\nbanner welcome\n"


@dataclass
class Alarm:
    at: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    now: float = 0.0
    alarms: list[Alarm] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Alarm:
        self.alarms.append(Alarm(self.now + delay, callback))
        return self.alarms[-1]

    def wait(self, seconds: float) -> None:
        self.now += seconds
        due = [alarm for alarm in self.alarms if alarm.at <= self.now and not alarm.cancelled]
        self.alarms = [alarm for alarm in self.alarms if alarm.at > self.now]
        for alarm in sorted(due, key=lambda alarm: alarm.at):
            alarm.callback()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device(clock: Clock) -> Device:
    return Device(OLD, clock)


def test_a_commit_nobody_confirms_is_undone(device: Device, clock: Clock) -> None:
    device.commit(text=NEW, revert_in=60, identity="change-1")
    clock.wait(59)
    assert device.running()["text"] == NEW
    assert device.pending()["seconds_left"] == 1
    clock.wait(1)
    assert device.running()["text"] == OLD
    assert device.pending() == {"pending": False, "undone": {"id": "change-1", "why": "nobody confirmed it in time"}}
    with pytest.raises(Refused) as caught:
        device.confirm("change-1")
    assert caught.value.kind == "no-pending"


def test_a_confirmed_commit_stays_and_can_be_rolled_back(device: Device, clock: Clock) -> None:
    device.commit(text=NEW, revert_in=60)
    device.confirm()
    clock.wait(3600)
    assert device.running()["text"] == NEW
    assert device.rollback()["undone"] is False
    assert device.running()["text"] == OLD


def test_a_pending_commit_is_not_covered_by_another(device: Device) -> None:
    device.commit(text=NEW, revert_in=60)
    with pytest.raises(Refused) as caught:
        device.commit(text="hostname b\n")
    assert caught.value.kind == "pending"
    assert device.rollback()["undone"] is True
    assert device.running()["text"] == OLD


def test_a_loss_of_power_undoes_what_is_pending_when_the_device_is_back(device: Device, clock: Clock) -> None:
    device.commit(text=NEW, revert_in=60)
    device.cut_power(100)
    clock.wait(99)
    assert not device.on
    clock.wait(1)
    assert device.on
    assert device.running()["text"] == OLD
    assert "restarted" in device.pending()["undone"]["why"]


def test_a_later_claim_fences_an_earlier_change_out(device: Device) -> None:
    device.claim(1, "one")
    with pytest.raises(Refused) as held:
        device.claim(2, "two")
    device.claim(2, "two", take_over=True)
    with pytest.raises(Refused) as fenced:
        device.commit(text=NEW, revert_in=60, token=1)
    assert (held.value.kind, fenced.value.kind) == ("held", "fenced")
    with pytest.raises(Refused, match="holds it"):
        device.commit(text=NEW)
    assert device.release(1) == {"released": False}
    device.commit(text=NEW, revert_in=60, token=2)
    assert device.release(2) == {"released": True}
    with pytest.raises(Refused):
        device.claim(1, "one", take_over=True)


def test_nothing_is_no_configuration(device: Device) -> None:
    with pytest.raises(Refused, match="empty"):
        device.check(" \n")
    assert device.diff(OLD)["text"] == ""
