"""Who sees whom in an emulated fleet is what the inventory intends, found in another way than the engine finds it."""

from __future__ import annotations

from pathlib import Path

from inventory import load
from inventory.network import Network
from lab.fleet.spec import dump, fleet_spec, parse
from nornir_tasks import verify

LINWU = Path(__file__).parents[2] / "districts/linwu"


def texts(network: Network) -> dict[str, str]:
    return {node.id: f"hostname {node.id}\n" for node in network.devices}


def test_every_adjacency_that_a_change_verifies_can_be_seen() -> None:
    network = load.network(LINWU)
    for device in fleet_spec(network, texts(network)).devices:
        found = {(each.protocol, each.known_by, each.mine) for each in device.adjacencies}
        ospf = {("ospf", str(a.known_by), str(a.mentioned)) for a in verify.ospf_links(network, device.id)}
        bgp = {("bgp", str(a.known_by), str(a.mentioned)) for a in verify.bgp_links(network, device.id)}
        assert found == ospf | bgp


def test_a_fleet_is_read_back_as_it_was_written_and_stays_on_this_machine() -> None:
    network = load.network(LINWU)
    spec = fleet_spec(network, texts(network), commit_s=0.5)
    assert parse(dump(spec)) == spec
    assert {device.address.partition(".")[0] for device in spec.devices} == {"127"}
    assert len({device.address for device in spec.devices}) == len(network.devices)
