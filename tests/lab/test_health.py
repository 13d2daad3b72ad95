"""A device's health in the running lab, asked in band by its controller, before and after a line is cut."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from inventory import placement
from lab import control
from lab.testing import RunningLab
from nornir_tasks.health import worse
from nornir_tasks.session import Health, Neighbours

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

# Runs on the controller. A session's answer, in a form that comes through a pipe.
ASK = """
import json, sys
from pathlib import Path
from inventory import load, placement
from nornir_tasks.connect import open_device
from nornir_tasks.each import Each
from nornir_tasks.fleet import Fleet
from nornir_tasks.health import ask, question
network, state = load.network(Path(sys.argv[1])), Path("/var/lib/netdr")
where = placement.load(state, network.district).active
asked = {device: (question(network, device, where),) for device in sys.argv[2:]}
with Fleet(network, state, open_device) as fleet:
    found = fleet.run(asked, "health", Each(ask, own=asked))
assert found.outcomes.ok, found.outcomes.failures
words = lambda values: sorted(map(str, values))
lists = lambda h: [h.neighbours.ospf, h.neighbours.bgp, h.routes, h.services]
print(json.dumps({device: [*map(words, lists(h)), h.errors] for device, h in found.values.items()}))
"""


def health(lab: RunningLab, *devices: str) -> dict[str, Health]:
    controller = lab.network.hosts("controller")[0].id
    done = lab.run(controller, sys.executable, "-c", ASK, str(lab.folder), *devices)
    assert done.returncode == 0, done.stderr
    return {
        device: Health(
            Neighbours(frozenset(map(IPv4Address, ospf)), frozenset(map(IPv4Address, bgp))),
            frozenset(map(IPv4Network, routes)),
            frozenset(services),
            errors,
        )
        for device, (ospf, bgp, routes, services, errors) in json.loads(done.stdout).items()
    }


def eventually(holds: Callable[[], bool], limit: float = 30) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.5)


def test_a_cut_line_is_worse_for_whom_it_served_and_for_nobody_else(deployed_lab: RunningLab) -> None:
    network, link = deployed_lab.network, "acc-mill--ring-n"
    home = set(placement.home(network.district).active)
    before = health(deployed_lab, "acc-mill", "ring-n", "acc-clinic")
    # By the map: two lines each, seven at ring-n; every node of the district but the city has a loopback.
    assert [len(before[device].neighbours.ospf) for device in ("acc-mill", "ring-n")] == [2, 7]
    assert before["acc-mill"].services == home
    loopbacks = {IPv4Network(node.loopback) for node in network.nodes.values() if node.kind != "external"}
    assert loopbacks <= (before["acc-clinic"].routes or frozenset())
    assert {net.prefix for net in network.nets} <= (before["ring-n"].routes or frozenset())
    assert set(before["acc-mill"].errors or {}) >= {"swp1", "swp2", "swp3"}

    def told(device: str) -> tuple[str, ...]:
        return worse(before[device], health(deployed_lab, device)[device], network, device)

    assert [told(device) for device in before] == [(), (), ()]
    control.break_(deployed_lab.name, link)
    try:
        eventually(lambda: "OSPF to acc-mill is not up any more" in told("ring-n"))
        eventually(lambda: "OSPF to ring-n is not up any more" in told("acc-mill"))
        # It goes on by its other line, and nobody else is worse off.
        eventually(lambda: not any("answer" in words for words in told("acc-mill")))
        assert not any("unit" in words or "OSPF" in words for words in told("acc-clinic"))
    finally:
        control.heal(deployed_lab.name, link)
    eventually(lambda: told("acc-mill") == told("ring-n") == ())


def test_services_that_lose_their_line_do_not_answer(deployed_lab: RunningLab) -> None:
    """Every device says so, and to which addresses there is no way."""
    network = deployed_lab.network
    before = health(deployed_lab, "acc-clinic")["acc-clinic"]
    control.break_(deployed_lab.name, "hub--store")
    try:

        def told() -> tuple[str, ...]:
            return worse(before, health(deployed_lab, "acc-clinic")["acc-clinic"], network, "acc-clinic")

        eventually(lambda: sum("does not answer any more" in words for words in told()) == len(network.services))
        assert any(words.startswith("no route any more to") for words in told())
    finally:
        control.heal(deployed_lab.name, "hub--store")
    eventually(lambda: told() == ())
