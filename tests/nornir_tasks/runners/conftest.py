"""Sixty emulated devices, and an engine on them that any runner drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import fleet
import pytest

from inventory import placement
from inventory import secrets as vault
from netdr.kernel.outcome import Outcome
from nornir_tasks import engine
from nornir_tasks.connect import open_device
from nornir_tasks.engine import Engine
from nornir_tasks.fleet import Fleet
from nornir_tasks.report import Report
from nornir_tasks.runners import Runner
from nornir_tasks.steps import Options

DEVICES = 60


@dataclass
class Scene:
    """Devices that run, and what they should run."""

    place: fleet.Place
    served: fleet.Fleet
    before: fleet.Text
    after: fleet.Text

    @contextmanager
    def engine(self, runner: str) -> Iterator[Engine]:
        """Open an engine as netdr's command line does."""
        network = self.place.network
        secrets = vault.load(self.place.state, vault.references(network.district))
        with engine.opened(network, placement.home(network.district), secrets, self.place.state, runner) as found:
            yield found

    def fleet(self, runner: Runner) -> Fleet:
        """Return the fleet alone, with a runner of one's own."""
        return Fleet(self.place.network, self.place.state, open_device, str, runner)

    def assert_all_or_none(self, report: Report) -> None:
        """Every device has the one configuration or every device the other, and the report says which."""
        assert report.result in {"done", "restored", "refused"}
        assert self.served.running() == (self.after if report.result == "done" else self.before)
        assert self.served.pending() == ()


@dataclass
class Strike:
    """Progress of a change that does something when the first device has replied in a stage."""

    stage_name: str
    blow: Callable[[], None]
    struck: bool = False
    seen: set[str] = field(default_factory=set)
    _now: str = ""

    def stage(self, name: str, _devices: int) -> None:
        """See Progress."""
        self._now = name

    def device(self, outcome: Outcome) -> None:
        """See Progress."""
        self.seen.add(outcome.device)
        if self._now == self.stage_name and not self.struck:
            self.struck = True
            self.blow()

    @property
    def options(self) -> Options:
        """What a deploy takes."""
        return Options(progress=self)


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = fleet.place(tmp_path_factory.mktemp("runners") / "district", DEVICES)
    before, after = place.texts()
    with fleet.running(place, before, commit_s=0.1) as served:
        yield Scene(place, served, before, after)


@pytest.fixture
def scene(emulated: Scene) -> Scene:
    emulated.served.put(emulated.before)
    return emulated


@pytest.fixture
def strike() -> type[Strike]:
    return Strike


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path
