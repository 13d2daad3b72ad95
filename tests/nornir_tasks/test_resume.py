"""A controller dies at any moment: whoever comes next makes all devices new or all old, and nobody undoes that."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netdr.kernel.errors import BusyError, FencedError, Problems, UsageError
from nornir_tasks import replica
from nornir_tasks.engine import Engine
from nornir_tasks.fleet import Fleet
from nornir_tasks.journal import Journal, Opening
from nornir_tasks.report import Report
from nornir_tasks.session import Claim
from nornir_tasks.steps import Options
from nornir_tasks.testing import FakeSession, Rig

FAR, MIDDLE, NEAR = "acc-ferry", "ring-s", "hub"


ALL = ("claim", "running", "load", "pending", "commit", "confirm", "neighbours", "abandon")


class Killed(BaseException):
    """What a controller that was killed does from then on: nothing, to no device."""


def mortal(lives: int, verbs: tuple[str, ...]) -> type[FakeSession]:
    """Return sessions of a controller that is dead after so many of these verbs."""
    left = [lives]

    class Mortal(FakeSession):
        def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
            left[0] -= name in verbs
            if left[0] < 0 and name in ALL:
                raise Killed
            return super().__getattribute__(name)

    return Mortal


@contextmanager
def another(rig: Rig, state: Path) -> Iterator[Engine]:
    """Yield an engine with connections of its own on the same devices."""
    rig.devices.session = FakeSession
    with Fleet(rig.network, state, rig.devices.connect, rig.engine.redact) as fleet:
        yield replace(rig.engine, fleet=fleet, state=state)


def options(rig: Rig) -> Options:
    return Options(clock=rig.devices.clock)


def kill_after(rig: Rig, lives: int, *verbs: str) -> None:
    plan = rig.engine.plan_change()
    rig.engine.fleet.close()
    rig.devices.session = mortal(lives, verbs)
    with pytest.raises(Killed):
        rig.deploy(plan)


def assert_ended(rig: Rig, report: Report, state: Path) -> None:
    running = dict(rig.devices.running())
    assert running == (rig.new if report.result == "done" else rig.old)
    assert report.result in {"done", "restored", "refused"}
    assert rig.devices.pending() == ()
    rig.devices.clock.sleep(1000)
    assert dict(rig.devices.running()) == running
    journal = Journal(replica.own(state))
    assert journal.unfinished() == ()
    journal.close()


# 13 devices: the number of calls of a whole deploy is a few hundred; every 13th, and closely around the commits.
MOMENTS = [(ALL, lives) for lives in range(0, 180, 13)]
MOMENTS += [(("commit",), lives) for lives in range(13)] + [(("confirm",), lives) for lives in range(0, 13, 2)]


@pytest.mark.parametrize("later", [0, 1000], ids=["at once", "after the timers"])
@pytest.mark.parametrize("way", ["resume", "abort"])
@pytest.mark.parametrize(("verbs", "lives"), MOMENTS)
def test_all_or_none_wherever_the_controller_died(  # noqa: PLR0917 - what is varied
    rig: Rig, tmp_path: Path, verbs: tuple[str, ...], lives: int, way: str, later: int
) -> None:
    kill_after(rig, lives, *verbs)
    rig.devices.clock.sleep(later)
    with another(rig, tmp_path) as engine:
        act: Callable[[Options], Report] = engine.resume if way == "resume" else engine.abort
        report = act(options(rig))
    assert_ended(rig, report, tmp_path)
    assert report.result == ("done" if way == "resume" else "restored")


@pytest.mark.parametrize("way", ["resume", "abort"])
@pytest.mark.parametrize("lives", [4, 11])
def test_who_finishes_it_may_die_too(rig: Rig, tmp_path: Path, lives: int, way: str) -> None:
    kill_after(rig, lives, "confirm")
    rig.devices.clock.sleep(1000)
    for second in (0, 1):
        with another(rig, tmp_path) as engine:
            rig.devices.session = mortal(second, ("commit", "abandon"))
            with pytest.raises(Killed):
                engine.abort(options(rig)) if way == "abort" else engine.resume(options(rig))
    with another(rig, tmp_path) as engine:
        report = engine.abort(options(rig))
    assert_ended(rig, report, tmp_path)
    assert dict(rig.devices.running()) == rig.old


def test_the_other_site_ends_it_from_its_copy_of_the_journal(rig: Rig, tmp_path: Path) -> None:
    kill_after(rig, 6, "confirm")
    there = tmp_path / "there"
    copy = there / "journal/replicas/warden.sqlite"
    copy.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "vault-password", there)
    for file in (tmp_path / "journal").glob("journal.sqlite*"):
        shutil.copy(file, copy.with_name(file.name.replace("journal.sqlite", "warden.sqlite")))
    with another(rig, there) as engine:
        report = engine.abort(options(rig))
    assert_ended(rig, report, there)
    # The first controller comes back: what it began was ended from elsewhere, and is no more its own to touch.
    with another(rig, tmp_path) as engine:
        with pytest.raises(Problems) as caught:
            engine.resume(options(rig))
        assert {type(problem) for problem in caught.value.problems} == {FencedError}
        assert engine.status() is None
        assert engine.deploy(engine.plan_change(), options(rig)).result == "done"


@pytest.mark.parametrize("way", ["resume", "abort"])
def test_a_change_that_ended_while_the_other_site_was_away_is_left_alone(rig: Rig, tmp_path: Path, way: str) -> None:
    there = tmp_path / "there"
    copy = Journal(there / "journal/replicas/warden.sqlite")
    shutil.copy(tmp_path / "vault-password", there)
    plan = rig.engine.plan_change()
    report = rig.deploy(plan)
    copy.open(Opening(report.transaction, plan, "root@warden"))
    copy.begin(report.transaction, "arm", [FAR])
    with another(rig, there) as engine:
        assert engine.status() is None
        with pytest.raises(UsageError, match="has ended"):
            engine.abort(options(rig)) if way == "abort" else engine.resume(options(rig))
    assert copy.unfinished() == ()
    assert dict(rig.devices.running()) == rig.new
    copy.close()


def test_a_controller_that_was_only_asleep_can_do_nothing_any_more(rig: Rig, tmp_path: Path) -> None:
    """It stops in the middle of arming, another one takes over and ends the change, then it goes on."""
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(tmp_path / "vault-password", there)
    ended: list[str] = []

    class Sleepy(FakeSession):
        def commit(self, revert_in: int, message: str) -> None:
            if self.name == NEAR and not ended:
                ended.append("under way")
                with another(rig, there) as engine:
                    engine.free(rig.old)
                    ended.append(engine.deploy(engine.plan_change(), options(rig)).result)
            super().commit(revert_in, message)

    plan = rig.engine.plan_change()
    rig.engine.fleet.close()
    rig.devices.session = Sleepy
    report = rig.deploy(plan)
    before = dict(rig.devices.running())
    assert report.result == "overtaken"
    assert isinstance(report.failures[0], FencedError)
    rig.devices.clock.sleep(1000)
    assert dict(rig.devices.running()) == before


@pytest.mark.parametrize("way", ["it goes on itself", "abort", "resume"])
def test_what_another_site_needed_is_left_to_it_and_the_rest_goes_back(rig: Rig, tmp_path: Path, way: str) -> None:
    """A failover frees one device and changes it, while the change of all others is under way, or dead."""
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(tmp_path / "vault-password", there)
    done: list[str] = []

    def fail_over() -> None:
        with another(rig, there) as other:
            other.free([FAR])
            found = other.plan_change([FAR])
            done.append(other.deploy(found, options(rig)).result)

    class Sleepy(FakeSession):
        def commit(self, revert_in: int, message: str) -> None:
            if self.name == NEAR and not done:
                fail_over()
            super().commit(revert_in, message)

    if way == "it goes on itself":
        plan = rig.engine.plan_change()
        rig.engine.fleet.close()
        rig.devices.session = Sleepy
        report = rig.deploy(plan)
    else:
        kill_after(rig, 5, "confirm")
        fail_over()
        with another(rig, tmp_path) as engine:
            if way == "resume":
                with pytest.raises(Problems, match="has claimed it since"):
                    engine.resume(options(rig))
            report = engine.abort(options(rig))
    assert done == ["done"]
    assert report.of("unknown") == (FAR,)
    assert set(report.of("restored")) == set(rig.old) - {FAR}
    rig.devices.clock.sleep(1000)
    assert dict(rig.devices.running()) == {**rig.old, FAR: rig.new[FAR]}


def test_a_new_change_waits_until_the_one_that_died_is_ended(rig: Rig, tmp_path: Path) -> None:
    kill_after(rig, 2, "confirm")
    with another(rig, tmp_path) as engine:
        with pytest.raises(BusyError, match="never ended"):
            engine.deploy(engine.plan_change(), options(rig))
        found = engine.status()
        assert found is not None
        assert {standing.where for standing in found.devices.values()} == {"armed", "new"}
        engine.abort(options(rig))
        assert engine.deploy(engine.plan_change(), options(rig)).result == "done"


def test_a_change_that_only_could_not_be_closed_holds_nobody_up(rig: Rig, tmp_path: Path) -> None:
    report = rig.deploy()
    journal = Journal(replica.own(tmp_path))
    journal.begin(report.transaction, "arm", [FAR])
    with sqlite3.connect(replica.own(tmp_path)) as broken:
        broken.execute("update transactions set outcome = null")
    broken.close()
    assert journal.unfinished()
    rig.devices[FAR].running = rig.old[FAR]
    assert rig.deploy().result == "done"
    assert journal.unfinished() == ()
    journal.close()


def test_a_device_held_by_another_controllers_change_is_refused(rig: Rig) -> None:
    plan = rig.engine.plan_change()
    rig.devices[FAR].claim(Claim(7, "root@elsewhere"), take_over=False)
    report = rig.deploy(plan)
    assert report.result == "refused"
    assert [failure.where for failure in report.failures] == [FAR]
    assert "change 7 of root@elsewhere" in str(report.failures[0])


def test_nothing_to_finish_is_said(rig: Rig) -> None:
    assert rig.engine.status() is None
    for act in (rig.engine.resume, rig.engine.abort):
        with pytest.raises(UsageError, match="every change that was begun has ended"):
            act(options(rig))
