"""What is at stake and the waves, worked out by hand on the second district's map.

Everybody may read the notices (tier 3), all but the two remote posts the registry (tier 1), so an office that is cut
off weighs 3 + 1, a remote post 1. The services are on ``store``, whose only line is to hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from inventory import load, placement
from inventory.network import Network
from nornir_tasks.blast import Blast, classes, waves
from nornir_tasks.paths import Paths

HOME = {"registry": "hall", "notices": "hall"}
AWAY = {"registry": "cave", "notices": "cave"}
BOTH = ("notices", "registry")


@pytest.mark.parametrize(
    ("where", "devices", "units", "weight"),
    [
        (HOME, ["ring-n"], set(), 0),
        (HOME, ["ring-l"], {"ferry"}, 1),
        (HOME, ["acc-ferry"], {"ferry"}, 1),
        (HOME, ["acc-mill"], {"mill"}, 4),
        (HOME, ["ring-s", "ring-l"], {"market", "ferry", "quarry"}, 6),
        (HOME, ["hub"], {"treasury", "archive", "clinic", "school", "market", "ferry", "quarry", "mill"}, 26),
        (AWAY, ["hub"], set(), 0),
        (
            AWAY,
            ["ring-n", "ring-l"],
            {"treasury", "archive", "clinic", "school", "market", "ferry", "quarry", "mill"},
            26,
        ),
        (HOME, [], set(), 0),
        ({}, ["hub"], set(), 0),
    ],
)
def test_who_loses_what(
    linwu: Network, where: Mapping[str, str], devices: list[str], units: set[str], weight: int
) -> None:
    stake = Blast(linwu, where).stake(devices)
    assert (set(stake.units), stake.weight) == (units, weight)


def test_a_unit_loses_only_what_it_may_use(linwu: Network) -> None:
    stake = Blast(linwu, HOME).stake(["acc-mill", "acc-ferry"])
    assert {unit: sorted(lost) for unit, lost in stake.units.items()} == {
        "mill": ["notices", "registry"],
        "ferry": ["notices"],
    }


@pytest.mark.parametrize("folder", ["tests/districts/linwu", "inventory/suxian"])
def test_one_device_alone_is_as_among_others(folder: str) -> None:
    """A single device is looked at in a shorter way than several: both must say the same."""
    network = load.network(Path(__file__).parents[2] / folder)
    blast = Blast(network, placement.home(network.district).active)
    for node in network.devices:
        assert blast.stake([node.id]) == blast.stake([node.id, "nobody"]), node.id


def everywhere(network: Network) -> dict[str, tuple[str, str, str]]:
    return {node.id: (node.platform, node.role, "the same change") for node in network.devices}


def test_the_least_critical_of_each_kind_comes_first_and_far_before_near(linwu: Network) -> None:
    found = waves(linwu, Paths.of(linwu, "warden"), HOME, everywhere(linwu))
    assert [set(wave) for wave in found] == [
        {"acc-ferry", "cave-gw"},
        {"acc-treasury", "acc-archive", "acc-clinic", "acc-school", "acc-market", "acc-quarry", "acc-mill"},
        {"ring-n"},
        {"ring-s", "ring-l"},
        {"hub"},
    ]


def test_from_the_other_controller_its_own_way_comes_last(linwu: Network) -> None:
    found = waves(linwu, Paths.of(linwu, "warden-b"), AWAY, everywhere(linwu))
    assert found[-1] == ("cave-gw",)


def test_another_change_has_a_first_device_of_its_own(linwu: Network) -> None:
    changes = everywhere(linwu) | dict.fromkeys(("acc-mill", "acc-school"), ("linux", "access", "another change"))
    found = waves(linwu, Paths.of(linwu, "warden"), HOME, changes)
    assert set(found[0]) == {"acc-ferry", "acc-mill", "cave-gw"}


def test_where_every_device_has_a_change_of_its_own_one_of_each_kind_goes_first(linwu: Network) -> None:
    changes = {node.id: (node.platform, node.role, node.id) for node in linwu.devices}
    found = waves(linwu, Paths.of(linwu, "warden"), HOME, changes)
    assert [len(wave) for wave in found] == [2, 7, 1, 2, 1]


def test_the_example_goes_in_six_steps_that_grow_within_each_role() -> None:
    """core-1 and core-2 have the controller, so each is one link nearer than the aggregation devices."""
    network = load.network(Path(__file__).parents[2] / "inventory/suxian")
    home = placement.home(network.district).active
    found = waves(network, Paths.of(network, "ctl-1"), home, everywhere(network))
    roles = [{network.node(device).role for device in wave} for wave in found]
    assert roles == [{"access", "dr"}, {"access"}, {"aggregation"}, {"aggregation"}, {"core"}, {"core"}]
    assert [len(wave) for wave in found] == [2, 35, 1, 1, 1, 1]


def test_one_device_is_one_wave(linwu: Network) -> None:
    assert waves(linwu, Paths.of(linwu, "warden"), HOME, {"hub": ("linux", "core", "")}) == (("hub",),)
    assert waves(linwu, Paths.of(linwu, "warden"), HOME, {}) == ()


def test_devices_with_the_same_change_up_to_their_own_values_are_of_one_class(linwu: Network) -> None:
    def diff(line: str) -> str:
        return f"--- f\n+++ f\n@@ -1 +1,2 @@\n a\n+{line}\n"

    diffs = {
        "acc-mill": diff("address 192.168.251.13"),
        "acc-ferry": diff("address 192.168.251.11"),
        "ring-n": diff("address 192.168.251.2"),
        "acc-school": diff("banner"),
    }
    found = classes(linwu, diffs)
    assert found["acc-mill"] == found["acc-ferry"]
    assert len(set(found.values())) == 3
