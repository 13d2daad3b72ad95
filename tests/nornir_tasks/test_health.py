"""What counts as worse after a wave, on the second district's map."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from inventory.network import Network
from nornir_tasks import testing
from nornir_tasks.each import Each
from nornir_tasks.health import ask, question, worse
from nornir_tasks.session import Health, Neighbours

HUB, RING_N, MILL = (IPv4Address(f"192.168.251.{number}") for number in (1, 2, 13))
HOME = {"registry": "hall", "notices": "hall"}
GOOD = Health(
    Neighbours(ospf=frozenset({HUB, RING_N})),
    frozenset(
        IPv4Network(text) for text in ("192.168.251.1/32", "192.168.252.0/31", "172.28.2.0/26", "192.168.250.1/32")
    ),
    frozenset({"registry", "notices"}),
    {"swp1": 3, "swp2": 0},
)


def test_a_device_is_asked_for_what_its_users_have(linwu: Network) -> None:
    asked = question(linwu, "acc-treasury", HOME)
    assert asked.source == IPv4Address("172.28.0.1")
    assert asked.services == {"registry": IPv4Address("192.168.250.1"), "notices": IPv4Address("192.168.250.2")}
    assert (asked.bgp, question(linwu, "hub", HOME).bgp) == (False, True)
    assert question(linwu, "hub", HOME).source == HUB
    assert question(linwu, "hub", {"registry": "hall"}).services == {"registry": IPv4Address("192.168.250.1")}


def test_nothing_lost_is_nothing_worse(linwu: Network) -> None:
    routes = (GOOD.routes or frozenset()) | {IPv4Network("0.0.0.0/0")}
    more = replace(GOOD, errors={"swp1": 13, "swp2": 0, "swp3": 5000}, routes=routes)
    assert worse(GOOD, GOOD, linwu, "acc-mill") == worse(GOOD, more, linwu, "acc-mill") == ()


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ({"neighbours": Neighbours(frozenset({HUB}))}, "OSPF to ring-n is not up any more"),
        ({"services": frozenset({"notices"})}, "registry does not answer any more"),
        ({"errors": {"swp1": 14, "swp2": 0}}, "swp1 has counted 11 errors since"),
        ({"routes": frozenset({IPv4Network("192.168.251.1/32")})},
         "no route any more to mill/31 (172.28.2.0/26), registry (192.168.250.1/32), hub--ring-n (192.168.252.0/31)"),
        ({"routes": frozenset()},
         "no route any more to mill/31 (172.28.2.0/26), registry (192.168.250.1/32), hub (192.168.251.1/32), 1 more"),
    ],
)  # fmt: skip
def test_what_is_lost_is_named(linwu: Network, lost: dict[str, object], sentence: str) -> None:
    assert worse(GOOD, replace(GOOD, **lost), linwu, "acc-mill") == (sentence,)  # type: ignore[arg-type]


def test_a_line_to_a_device_that_is_not_armed_yet_may_wait(linwu: Network) -> None:
    after = replace(GOOD, neighbours=Neighbours(frozenset({HUB})))
    assert worse(GOOD, after, linwu, "acc-mill", ["ring-n"]) == ()
    assert worse(GOOD, after, linwu, "acc-mill", ["ring-s"]) != ()


def test_what_the_network_does_not_intend_may_go(linwu: Network) -> None:
    """A neighbour and a prefix that the inventory does not have (any more)."""
    was = replace(
        GOOD, neighbours=Neighbours(frozenset({HUB, RING_N, MILL})), routes=frozenset({IPv4Network("172.28.9.0/24")})
    )
    now = replace(was, neighbours=GOOD.neighbours, routes=frozenset())
    assert worse(was, now, linwu, "acc-mill") == ()


def test_what_a_device_cannot_say_is_not_judged(linwu: Network) -> None:
    silent = Health(GOOD.neighbours)
    assert worse(GOOD, silent, linwu, "acc-mill") == worse(silent, GOOD, linwu, "acc-mill") == ()


def test_devices_in_memory_answer_by_their_lines(rig: testing.Rig) -> None:
    own = {device: (question(rig.network, device, HOME),) for device in ("acc-ferry", "acc-mill")}
    before = rig.engine.fleet.run(own, "health", Each(ask, own=own)).values
    assert before["acc-ferry"].services == {"registry", "notices"}
    rig.devices["ring-l"].running += "shutdown swp6\n"
    rig.devices["acc-mill"].errors["swp1"] = 100
    after = rig.engine.fleet.run(own, "health", Each(ask, own=own)).values
    assert worse(before["acc-mill"], after["acc-mill"], rig.network, "acc-mill") == (
        "no route any more to acc-ferry (192.168.251.11/32)",
    )
    told = worse(before["acc-ferry"], after["acc-ferry"], rig.network, "acc-ferry")
    assert told[0] == "OSPF to ring-l is not up any more"
    assert told[2:] == ("notices does not answer any more", "registry does not answer any more")
