from __future__ import annotations

from pathlib import Path

import pytest

from inventory import drawing, load, sheets
from inventory.network import Network
from netdr.kernel.errors import UsageError


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[1] / "districts" / "linwu")


def test_the_figures_of_the_district(network: Network) -> None:
    # 5 backbone devices and 8 access switches; 7 lines, 15 uplinks, 4 hosts, 2 to the city.
    assert sheets.summary(network)[0].as_json() == [
        {"devices": 13, "hosts": 4, "links": 28, "units": 8, "user_networks": 10, "services": 2}
    ]


def test_a_unit_is_shown_with_its_switch_links_and_networks(network: Network) -> None:
    unit, switch, links, nets = sheets.about(network, "ferry")
    assert unit.as_json()[0]["name"] == {"zh": "渡口所", "en": "Ferry post"}
    assert unit.as_json()[0]["uplinks"] == ("ring-l",)
    assert switch.as_json()[0]["id"] == "acc-ferry"
    assert [row["neighbour"] for row in links.as_json()] == ["ring-l"]
    prefix = str(network.nets_of("acc-ferry")[0].prefix)
    assert [(row["vlan"], row["zone"], row["network"]) for row in nets.as_json()] == [(40, "desk", prefix)]


def test_a_service_is_shown_with_its_promise_and_data(network: Network) -> None:
    service, protection, data = sheets.about(network, "notices")
    row = service.as_json()[0]
    assert (row["home"], row["standby"], row["rpo"], row["rto"]) == ("hall", "cave", "1d", "2d")
    assert protection.as_json()[0]["kept"] == ("last=2",)
    assert data.as_json() == [{"kind": "files", "where": "/srv/notices"}]


def test_a_site_is_shown_with_its_nodes(network: Network) -> None:
    assert [row["id"] for row in sheets.about(network, "cave")[0].as_json()] == ["cave-gw", "warden-b", "store-b"]


@pytest.mark.parametrize("name", ["hub", "warden", "upstream", "acc-mill", "mill", "registry", "lake"])
def test_everything_with_a_name_can_be_shown(network: Network, name: str) -> None:
    assert all(len(row) == len(sheet.head) for sheet in sheets.about(network, name) for row in sheet.rows)


def test_an_unknown_name_lists_the_known_ones(network: Network) -> None:
    with pytest.raises(UsageError, match="unknown device, host, unit, service or site 'hubb'; known: acc-archive, "):
        sheets.about(network, "hubb")


def test_dot_has_every_node_and_link_and_quotes_what_it_must(network: Network) -> None:
    text = drawing.dot(network, "zh_CN")
    assert text.count(" -- ") == 28
    assert sum("shape=" in line for line in text.splitlines()) == len(network.nodes) == 18
    assert '"acc-mill" [label="磨坊乡", shape=box];' in text
    assert text.count("{") == text.count("}")


def test_mermaid_has_every_link_between_known_identifiers(network: Network) -> None:
    text = drawing.mermaid(network, "en")
    links = [line.split() for line in text.splitlines() if any(mark in line for mark in ("===", "---", "-.-"))]
    nodes = {node.replace("-", "_") for node in network.nodes}
    assert len(links) == 28
    assert all({one, other} <= nodes for one, _, other in links)


def test_text_tells_each_port_of_the_backbone(network: Network) -> None:
    lines = drawing.text(network, "en").splitlines()
    assert lines[0] == "County hall (hall)"
    assert "    swp7 -- ring-n" in lines[lines.index("Cave vault (cave)") :]
    assert "    swp6 -- acc-mill Mill village" in lines
