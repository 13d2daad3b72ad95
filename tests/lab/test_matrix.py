import json
from pathlib import Path

import pytest

from inventory import load
from inventory.policy import expected
from lab.matrix import observe
from lab.testing import RunningLab
from netdr.kernel.errors import LabError


def test_a_lab_that_is_not_up_is_named_with_those_that_are() -> None:
    network = load.network(Path("tests/districts/linwu"))
    with pytest.raises(LabError, match="unknown lab 'no-such-lab'; known: "):
        observe("no-such-lab", network, expected(network).cells)


@pytest.mark.lab
def test_packets_meet_what_the_policy_says(deployed_lab: RunningLab) -> None:
    cells = expected(deployed_lab.network).cells
    seen = observe(deployed_lab.name, deployed_lab.network, cells)
    assert [item.cell for item in seen] == list(cells)
    assert [item.cell.id for item in seen if not item.matches] == []
    assert {item.passed for item in seen} == {True, False}


@pytest.mark.lab
def test_a_switch_without_its_filters_and_one_that_stops_everything_are_found_out(deployed_lab: RunningLab) -> None:
    # All that the first lets pass and no other device refuses, and all of the second's users.
    opened, closed = "acc-mill", "acc-clinic"
    stop = "add table inet stop; add chain inet stop users { type filter hook forward priority 0; policy drop; }"
    try:
        assert deployed_lab.run(opened, "nft", "flush ruleset").returncode == 0
        assert deployed_lab.run(closed, "nft", stop).returncode == 0
        done = deployed_lab.netdr("verify", "matrix", "--lab", deployed_lab.name, "--json")
        assert done.returncode == 8
        wrong = {(item["source"], item["verdict"], item["observed"]) for item in json.loads(done.stdout)["mismatches"]}
        assert ("host-mill", "deny", "permit") in wrong
        assert ("host-clinic", "permit", "deny") in wrong
        assert ("host-clinic", "deny", "permit") not in wrong
    finally:
        deployed_lab.run(closed, "nft", "delete table inet stop")
        deployed_lab.run(opened, "nft", "-f", "/etc/nftables.conf")
    again = deployed_lab.netdr("verify", "matrix", "--lab", deployed_lab.name)
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.lab
def test_a_service_that_is_active_nowhere_is_an_error_not_a_refusal(deployed_lab: RunningLab) -> None:
    home = deployed_lab.network.hosts("services")[0].id
    address = deployed_lab.network.services["notices"]
    assert deployed_lab.run(home, "/etc/netdr/services/notices", "stop").returncode == 0
    try:
        done = deployed_lab.netdr("verify", "matrix", "--lab", deployed_lab.name)
        assert done.returncode == 12
        assert f"nothing listens at {address} tcp/80" in done.stderr
    finally:
        assert deployed_lab.run(home, "/etc/netdr/services/notices", "start").returncode == 0
