"""The example district is the one that design.md describes: its published plan, counted by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from inventory import load
from inventory.asset import Postgres
from inventory.network import Network

BUREAUS = (
    "发展和改革局 教育局 科学技术局 民政局 司法局 财政局 人力资源和社会保障局 国土资源分局 住房和城乡建设局 交通运输局 "
    "水利局 农业局 林业局 商务局 文化体育局 卫生局 审计局 环境保护分局"
)
TOWNS = (
    "苏仙岭街道 南塔街道 白鹿洞镇 桥口镇 良田镇 栖凤渡镇 坳上镇 许家洞镇 五里牌镇 岗脚乡 廖王坪乡 马头岭乡 荷叶坪乡 "
    "塘溪乡 太平乡 邓家塘乡 廖家湾乡 大奎上乡"
)


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[2] / "inventory" / "suxian")


def test_the_36_units_are_those_of_the_plan(network: Network) -> None:
    units = network.district.units
    assert [unit.name.zh for unit in units] == BUREAUS.split() + TOWNS.split()
    assert len({unit.name.en for unit in units}) == 36
    assert all(unit.id.isascii() and len(unit.id) <= 16 for unit in units)


def test_41_devices_and_the_backbone_of_the_plan(network: Network) -> None:
    assert Counter(node.role for node in network.devices) == {"access": 36, "core": 2, "aggregation": 2, "dr": 1}
    assert {wire.name for wire in network.wires if wire.kind == "backbone"} == {
        "core-1--core-2",
        "agg-gac--core-1",
        "agg-gac--core-2",
        "agg-dpc--core-1",
        "agg-dpc--core-2",
        "agg-dpc--agg-gac",
        "core-1--dr-1",
        "agg-dpc--dr-1",
    }
    # 8 backbone, 2 for each of 36 units, 2 + 2 + 1 + 1 for the hosts, 2 to the city.
    assert len(network.wires) == 8 + 72 + 6 + 2


def test_every_unit_has_two_uplinks_to_two_sites_and_the_load_is_spread(network: Network) -> None:
    sites = {device.id: device.site for device in network.district.devices}
    load_of_sites: Counter[str] = Counter()
    for unit in network.district.units:
        through = {sites[uplink] for uplink in unit.uplinks}
        assert len(unit.uplinks) == len(through) == 2
        load_of_sites.update(through)
    assert load_of_sites == {"server-room": 24, "gac": 24, "dpc": 24}


def test_the_five_services_and_their_data(network: Network) -> None:
    found = {
        service.id: (service.tier, {source.kind for source in service.data}) for service in network.district.services
    }
    assert found == {
        "approval": (1, {"postgresql"}),
        "emergency": (1, {"postgresql", "files"}),
        "exchange": (2, {"postgresql", "files"}),
        "portal": (2, {"postgresql", "files"}),
        "credit": (3, {"postgresql"}),
    }
    approval = next(service for service in network.district.services if service.id == "approval")
    assert isinstance(approval.data[0], Postgres)
    assert {"SELECT count(*) = 27 FROM bureau", "SELECT count(*) = 114 FROM permit_item"} <= set(
        approval.data[0].queries.values()
    )


def test_every_unit_reaches_the_dr_site_without_the_server_room(network: Network) -> None:
    lost = frozenset(node.id for node in network.at_site("server-room"))
    reached = network.distances("srv-dr", without=lost)
    assert {f"acc-{unit.id}" for unit in network.district.units} <= set(reached)


def test_every_address_lies_in_the_district_s_part_of_ten(network: Network) -> None:
    for node in network.nodes.values():
        assert str(node.loopback).startswith("10.64.")
    assert len({node.loopback for node in network.nodes.values()}) == len(network.nodes) == 46
    assert {str(net.prefix)[:6] for net in network.nets if net.vlan.zone == "public"} == {"10.65."}
    assert {str(net.prefix)[:6] for net in network.nets if net.vlan.zone == "private"} == {"10.66."}


def test_the_two_ends_of_a_link_share_a_31(network: Network) -> None:
    for wire in network.wires:
        one, other = (end.address for end in wire.ends)
        assert one.network == other.network
        assert one.network.prefixlen == 31
        assert one.ip != other.ip
