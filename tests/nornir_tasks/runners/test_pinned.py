"""Devices at workers: where each goes, what happens to it when its worker dies, hangs or answers late."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inventory.network import Network
from netdr.kernel.errors import UnreachableError
from netdr.kernel.outcome import Outcome
from nornir_tasks.fleet import Fleet, Results, Target
from nornir_tasks.runners import chosen, wire
from nornir_tasks.runners.job import Job, Sessions
from nornir_tasks.runners.pinned import Pinned
from nornir_tasks.session import DeviceSession


@dataclass
class Here:
    """A session that knows whose it is, and counts what it is asked."""

    target: Target
    asked: int = 0

    def running(self) -> str:
        self.asked += 1
        return f"{self.target.device} {self.asked}"

    def close(self) -> None:
        self.asked = -1


def connect(target: Target) -> Any:  # noqa: ANN401 - as much of a session as is asked for
    return Here(target)


def running(_: str, session: DeviceSession) -> str:
    return session.running()


@dataclass(frozen=True)
class Telling:
    """An action with something for each device, most of which is nobody else's business."""

    own: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, _device: str, _session: DeviceSession) -> Mapping[str, str]:
        return self.own

    def narrowed(self, device: str) -> Telling:
        return Telling({device: self.own[device]})


class Crew:
    """A pool in this process: workers that do what they are given when they are listened to, unless they cannot."""

    def __init__(self, *names: str) -> None:
        self.sessions = {name: Sessions() for name in names}
        self.inbox: list[tuple[str, int, bytes]] = []
        self.given: list[tuple[str, str]] = []
        self.dead: set[str] = set()
        self.deaf: set[str] = set()
        self.abandoned: list[str] = []
        # Whoever dies as soon as it is given something.
        self.dies = ""

    def workers(self) -> Sequence[str]:
        found = [name for name in self.sessions if name not in self.dead]
        if not found:
            raise UnreachableError("nobody is at work")
        return found

    def send(self, worker: str, jobs: Mapping[int, bytes]) -> None:
        if worker == self.dies:
            self.dead.add(worker)
        for number, data in jobs.items():
            self.inbox.append((worker, number, data))
            self.given.append((worker, wire.unpack(data).target.device))

    def heard(self, limit: float) -> Sequence[tuple[int, bytes | str]]:
        del limit
        able = [one for one in self.inbox if one[0] not in self.dead | self.deaf]
        self.inbox = [one for one in self.inbox if one not in able]
        return [(number, self._done(worker, wire.unpack(data))) for worker, number, data in able]

    def _done(self, worker: str, job: Job) -> bytes:
        return wire.reply(self.sessions[worker].do(job))

    def lost(self, workers: Collection[str]) -> Mapping[str, str]:
        return {worker: "it died" for worker in workers if worker in self.dead}

    def abandon(self, worker: str) -> None:
        self.abandoned.append(worker)
        self.dead.add(worker)

    def close(self) -> None:
        for sessions in self.sessions.values():
            sessions.close()


@dataclass
class Scene:
    crew: Crew
    fleet: Fleet
    devices: list[str]

    def read(self, watch: Callable[[Outcome], None] = lambda _: None) -> Results[str]:
        return self.fleet.run(self.devices, "read", running, watch)

    def at(self, worker: str) -> set[str]:
        return {device for name, device in self.crew.given if name == worker}


@contextmanager
def made(network: Network, state: Path, patience: float) -> Iterator[Scene]:
    crew = Crew("a", "b", "c")
    with Fleet(network, state, connect, str, Pinned(crew, patience)) as fleet:
        yield Scene(crew, fleet, [node.id for node in network.devices])


@pytest.fixture
def scene(linwu: Network, tmp_path: Path) -> Iterator[Scene]:
    with made(linwu, tmp_path, patience=60.0) as found:
        yield found


@pytest.fixture
def hasty(linwu: Network, tmp_path: Path) -> Iterator[Scene]:
    """A runner that gives a worker up as soon as it says nothing."""
    with made(linwu, tmp_path, patience=0.0) as found:
        yield found


def test_devices_are_spread_evenly_and_stay_where_they_are(scene: Scene) -> None:
    for number in (1, 2, 3):
        assert scene.read().values == {device: f"{device} {number}" for device in scene.devices}
    sizes = [len(scene.at(worker)) for worker in "abc"]
    assert sum(sizes) == len(scene.devices)
    assert max(sizes) - min(sizes) <= 1


def test_a_worker_that_dies_between_two_steps_is_to_its_devices_a_lost_connection(scene: Scene) -> None:
    scene.read()
    scene.crew.dead.add("a")
    results = scene.read()
    assert {outcome.device for outcome in results.outcomes if not outcome.ok} == scene.at("a")
    assert {type(failure) for failure in results.outcomes.failures} == {UnreachableError}
    assert "ended since the last step" in str(results.outcomes.failures[0])
    before = len(scene.crew.given)
    assert scene.read().outcomes.ok
    assert {worker for worker, _ in scene.crew.given[before:]} == {"b", "c"}


def test_a_worker_that_dies_in_a_step_costs_its_devices_that_step(scene: Scene) -> None:
    scene.read()
    scene.crew.dies = "a"
    results = scene.read()
    assert {outcome.device for outcome in results.outcomes if not outcome.ok} == scene.at("a")
    assert "it died" in str(results.outcomes.failures[0])
    assert scene.read().outcomes.ok


def test_a_step_that_cannot_travel_is_each_devices_failure(scene: Scene) -> None:
    results = scene.fleet.run(scene.devices, "read", lambda _, session: session.running())
    assert len(results.outcomes.failures) == len(scene.devices)
    assert "cannot be sent to another process" in str(results.outcomes.failures[0])


def test_a_worker_that_hangs_is_given_up_and_nobody_waits_for_it(hasty: Scene) -> None:
    hasty.read()
    hasty.crew.deaf.add("b")
    results = hasty.read()
    assert {outcome.device for outcome in results.outcomes if not outcome.ok} == hasty.at("b")
    assert hasty.crew.abandoned == ["b"]
    assert "said nothing" in str(results.outcomes.failures[0])


def test_an_answer_that_comes_too_late_is_nobodys(hasty: Scene) -> None:
    hasty.crew.deaf.add("c")
    hasty.read()
    hasty.crew.deaf.clear()
    hasty.crew.dead.clear()
    late = len(hasty.at("c"))
    assert late
    assert len(hasty.read().values) == len(hasty.devices)


def test_without_a_worker_every_device_says_so(scene: Scene) -> None:
    scene.crew.dead |= {"a", "b", "c"}
    results = scene.read()
    assert [failure.where for failure in results.outcomes.failures] == sorted(scene.devices)
    assert "no worker to reach it from: nobody is at work" in str(results.outcomes.failures[0])


def test_whoever_watches_is_told_of_each_device(scene: Scene) -> None:
    seen: list[Outcome] = []
    scene.read(seen.append)
    assert sorted(outcome.device for outcome in seen) == sorted(scene.devices)


def test_a_worker_gets_no_other_devices_part(scene: Scene) -> None:
    parts = {device: f"key of {device}" for device in scene.devices}
    assert scene.fleet.run(scene.devices, "tell", Telling(parts)).values == {d: {d: parts[d]} for d in scene.devices}


@pytest.mark.parametrize("name", ["thread", "dask", "dask:", "processes:4", ""])
def test_an_unknown_runner_lists_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="known: dask:ADDRESS, processes, threads"):
        chosen(name, tmp_path)
