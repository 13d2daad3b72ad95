"""Management paths, worked out by hand on the second district's map.

Costs from warden: hub 10; the rings 20; cave-gw 30 by ring-n and by ring-l alike; a unit's second uplink costs 100.
"""

from __future__ import annotations

import pytest

from inventory.network import Network
from nornir_tasks.paths import Paths, reachable


@pytest.fixture(scope="module")
def paths(linwu: Network) -> Paths:
    return Paths.of(linwu, "warden")


@pytest.mark.parametrize(
    ("node", "cost", "ways"),
    [
        ("hub", 10, {"warden hub"}),
        ("ring-s", 20, {"warden hub ring-s"}),
        ("cave-gw", 30, {"warden hub ring-n cave-gw", "warden hub ring-l cave-gw"}),
        ("acc-treasury", 20, {"warden hub acc-treasury"}),
        ("acc-mill", 30, {"warden hub ring-n acc-mill"}),
        ("acc-ferry", 30, {"warden hub ring-l acc-ferry"}),
    ],
)
def test_a_path_is_shortest_by_cost(paths: Paths, node: str, cost: int, ways: set[str]) -> None:
    assert paths.costs[node] == cost
    assert {" ".join(way) for way in paths.to(node)} == ways


def test_what_every_way_leads_through(paths: Paths) -> None:
    assert paths.through("cave-gw") == {"hub"}
    assert paths.through("acc-quarry") == {"hub", "ring-s"}
    assert paths.behind("ring-s") == {"acc-archive", "acc-school", "acc-quarry"}
    assert paths.behind("cave-gw") == frozenset()
    assert paths.behind("acc-mill") == frozenset()


def test_how_deep_it_goes_on(paths: Paths) -> None:
    assert [paths.heights[node] for node in ("acc-ferry", "cave-gw", "ring-l", "hub")] == [0, 0, 1, 2]


def test_from_the_other_controller_the_ways_are_others(linwu: Network) -> None:
    other = Paths.of(linwu, "warden-b")
    assert {" ".join(way) for way in other.to("hub")} == {"warden-b cave-gw ring-n hub", "warden-b cave-gw ring-l hub"}
    assert other.through("hub") == {"cave-gw"}


@pytest.mark.parametrize(
    ("nodes", "links", "lost"),
    [
        ([], [], set()),
        (["ring-l"], [], {"acc-ferry"}),
        (["hub"], [], "all"),
        ([], ["acc-mill--hub"], set()),
        ([], ["acc-mill--hub", "acc-mill--ring-n"], {"acc-mill"}),
        (["ring-n"], ["cave-gw--ring-l"], {"cave-gw", "warden-b", "store-b"}),
    ],
)
def test_what_is_lost_without(linwu: Network, nodes: list[str], links: list[str], lost: set[str] | str) -> None:
    everything = set(linwu.nodes)
    expected = {"warden"} if lost == "all" else everything - set(lost) - set(nodes)
    assert reachable(linwu, "warden", nodes, links) == expected
