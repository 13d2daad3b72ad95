from pathlib import Path

import pytest

from inventory import load, placement
from inventory.network import Network
from lab.chaos import Event, Trouble, lost, paths, script, troubles
from lab.sweep import Use
from lab.visits import Visit

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(ROOT / "tests/districts/linwu")


def test_the_same_seed_gives_the_same_script(network: Network) -> None:
    assert script(network, 7, 20) == script(network, 7, 20)
    assert len({script(network, seed, 20) for seed in range(10)}) == 10


@pytest.mark.parametrize("seed", range(30))
def test_what_is_broken_is_mended_and_who_moves_comes_home(network: Network, seed: int) -> None:
    broken = set[Trouble]()
    away = False
    for event in script(network, seed, 12):
        match event:
            case Event("break", Trouble() as what):
                assert what not in broken
                broken.add(what)
            case Event("heal", Trouble() as what):
                broken.remove(what)
            case Event("failover"):
                # Nobody moves while the main site has its power.
                assert not away
                assert Trouble("site", "hall") in broken
                away = True
            case Event("failback"):
                assert away
                assert not broken
                away = False
    assert not broken
    assert not away


def test_everything_that_can_break_is_drawn_some_day(network: Network) -> None:
    drawn = {event.what for seed in range(200) for event in script(network, seed, 10) if event.what}
    assert drawn == {Trouble(kind, name) for kind, names in troubles(network).items() for name in names}


def test_who_has_a_path_is_served(network: Network) -> None:
    active = placement.home(network.district).active
    uses = [Use("service", unit, "registry") for unit in network.units]
    assert paths(network, active, (), uses) == {*uses}
    # A unit whose switch is dead, a service whose program is.
    unit = next(iter(network.units))
    switch = next(node.id for node in network.devices if node.id.endswith(unit))
    assert paths(network, active, {Trouble("node", switch)}, uses) == {use for use in uses if use.source != unit}
    assert paths(network, active, {Trouble("process", "registry")}, uses) == set()
    assert paths(network, active, {Trouble("process", "notices")}, uses) == {*uses}
    # The site that serves is lost; at the other one everybody is served.
    hall = {Trouble("site", "hall")}
    assert paths(network, active, hall, uses) == set()
    assert paths(network, {**active, "registry": "cave"}, hall, uses) == {*uses}


def test_writes_may_be_lost_only_in_their_windows() -> None:
    def write(at: float, name: str) -> Visit:
        return Visit(at, "u", "s", ok=True, id=name)

    found = [write(1, "a"), write(2, "b"), write(3, "c"), write(4, "d"), Visit(5, "u", "s", ok=False)]
    loss = lost(found, "s", {"a", "d"}, [(2.5, 3.5)])
    assert (loss.explained, loss.unexplained) == (1, ("b",))
