"""What devices should do, worked out by hand from the districts' files; filters against the rules they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import load
from inventory.intent import DeviceIntent, device_intent, home_placement, underlay
from inventory.intent.filters import Entry, UserFilter
from inventory.intent.interface import port_order
from inventory.network import Network, UserNet
from inventory.policy import Target, expected, permits
from inventory.policy.rules import externals, pools
from netdr.kernel.errors import UsageError

ROOT = Path(__file__).parents[2]
FOLDERS = {"suxian": ROOT / "inventory" / "suxian", "linwu": ROOT / "tests" / "districts" / "linwu"}


@cache
def network(name: str) -> Network:
    return load.network(FOLDERS[name])


@cache
def intent(name: str, device: str) -> DeviceIntent:
    return device_intent(network(name), device, home_placement(network(name)))


def routes(found: DeviceIntent) -> dict[str, tuple[str, int]]:
    names = {str(address): service for service, address in network("suxian").services.items()}
    names |= {str(node.loopback): node.id for node in network("suxian").nodes.values()}
    by_address = {str(port.far_address): port.far for port in found.ports}
    return {
        names[str(route.prefix.network_address)]: (by_address[str(route.via)], route.metric) for route in found.statics
    }


def test_a_device_that_is_none_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown device 'srv-1'; known: .*core-1"):
        device_intent(network("suxian"), "srv-1", {})


def test_services_are_routed_to_the_host_of_the_site_where_they_are_active() -> None:
    services = ("approval", "emergency", "exchange", "portal", "credit")
    home = dict.fromkeys(services, ("srv-1", 20)) | {"ctl-1": ("ctl-1", 20), "srv-1": ("srv-1", 20)}
    assert routes(intent("suxian", "core-1")) == routes(intent("suxian", "core-2")) == home
    assert routes(intent("suxian", "dr-1")) == {"ctl-dr": ("ctl-dr", 10), "srv-dr": ("srv-dr", 10)}
    assert routes(intent("suxian", "agg-gac")) == {}


def test_a_service_that_moved_is_routed_to_the_dr_site_only() -> None:
    moved = {**home_placement(network("suxian")), "portal": "dr"}
    core, recovery = (device_intent(network("suxian"), device, moved) for device in ("core-1", "dr-1"))
    assert "portal" not in routes(core)
    assert "approval" in routes(core)
    assert routes(recovery)["portal"] == ("srv-dr", 10)


def test_ospf_speaks_on_lines_between_devices_only() -> None:
    core = intent("suxian", "core-1")
    speaking = {line.port for line in core.ospf.interfaces}
    # core-2, two aggregations, dr-1, eleven units; not two servers, not the city.
    assert {port.far for port in core.ports if port.name not in speaking} == {"ctl-1", "srv-1", "city"}
    units = [unit for unit in network("suxian").district.units if "core-1" in unit.uplinks]
    assert len(speaking) == 4 + len(units)


def test_a_units_first_uplink_is_the_cheaper_one() -> None:
    finance = intent("suxian", "acc-finance")
    costs = {line.port: line.cost for line in finance.ospf.interfaces}
    assert {port.far: costs[port.name] for port in finance.ports} == {"agg-dpc": 10, "agg-gac": 100}


def test_the_line_with_the_lowest_preference_is_better_in_both_directions() -> None:
    first, second = intent("suxian", "core-1").bgp, intent("suxian", "agg-gac").bgp
    assert first is not None
    assert second is not None
    lines = [next(peer.line for peer in bgp.peers if peer.line) for bgp in (first, second)]
    assert lines[0].local_preference > lines[1].local_preference > 100
    assert (lines[0].prepend, lines[1].prepend) == (0, 1)
    assert lines[0].med < lines[1].med
    assert first.metric < second.metric
    assert [peer.name for peer in first.peers if not peer.line] == ["agg-gac"]
    assert intent("suxian", "core-2").bgp is None


def test_the_underlay_is_a_part_of_the_whole() -> None:
    for node in network("suxian").devices:
        whole, first = intent("suxian", node.id), underlay(network("suxian"), node.id)
        assert first.ports == whole.ports
        assert first.ospf == whole.ospf
        assert set(first.statics) <= set(whole.statics)
        assert not any((first.vlans, first.bgp, first.filters, first.snmp, first.ntp, first.syslog))


def test_engine_ids_are_rfc_3411s_and_no_two_are_equal() -> None:
    found = [intent("suxian", node.id).snmp for node in network("suxian").devices]
    engines = {snmp.engine_id for snmp in found if snmp}
    # RFC 3411: the first bit set, enterprise 8072, format 1 and four octets of address.
    assert {engine[:5] for engine in engines} == {bytes([0x80, 0x00, 0x1F, 0x88, 0x01])}
    assert {len(engine) for engine in engines} == {9}
    assert len(engines) == 41


def test_ports_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["swp10", "swp2", "swp1", "eth3"], key=port_order) == ["eth3", "swp1", "swp2", "swp10"]


# ---- filters against the rules -------------------------------------------------------------------------------------


def passes(entries: Iterable[Entry], source: IPv4Address, destination: IPv4Address, port: str) -> bool:
    """Decide as a filter does: the first entry that matches, and if none does, no."""
    protocol, _, number = port.partition("/")
    for entry in entries:
        if entry.answers or source not in entry.source or destination not in entry.destination:
            continue
        if entry.protocol not in {None, protocol} or (entry.ports and int(number) not in entry.ports):
            continue
        return entry.action == "permit"
    return False


@cache
def user_filters(name: str) -> Mapping[IPv4Network, UserFilter]:
    found = (intent(name, node.id).filters for node in network(name).devices)
    return {user.prefix: user for filters in found if filters for user in filters.users}


def through(name: str, net: UserNet, address: IPv4Address, port: str) -> bool:
    """Whether a flow passes its unit's switch and, if it goes to a user network, the other unit's."""
    filters = user_filters(name)
    if not passes(filters[net.prefix].outward, net.first_host, address, port):
        return False
    far = [user for prefix, user in filters.items() if address in prefix]
    return all(passes(user.inward, net.first_host, address, port) for user in far)


def target(here: Network, address: IPv4Address) -> Target:
    """Return what an address is, looked up in the other direction than filters do: from the address to its owner."""
    for service, own in here.services.items():
        if own == address:
            return Target("service", service, address)
    for zone, pool in here.district.settings.addresses.zones.items():
        if address in pool:
            return Target("user", str(address), address, zone)
    if any(address in pool for pool in pools(here)):
        return Target("device", str(address), address)
    zone = next((zone for prefix, zone in externals(here) if address in prefix), "")
    return Target("external", str(address), address, zone)


@pytest.mark.parametrize("district", FOLDERS)
def test_filters_do_what_the_matrix_expects(district: str) -> None:
    here = network(district)
    nets = {net.first_host: net for net in here.nets}
    hosts = {cell.source for cell in expected(here).cells}
    assert len(hosts) == len(nets)
    by_host = dict(zip(dict.fromkeys(cell.source for cell in expected(here).cells), here.nets, strict=True))
    wrong = [
        cell.id
        for cell in expected(here).cells
        if through(district, by_host[cell.source], IPv4Address(cell.address), cell.port) != (cell.verdict == "permit")
    ]
    assert wrong == []


PORTS = st.sampled_from(["tcp/22", "tcp/80", "tcp/443", "udp/53", "udp/443", "tcp/5432", "icmp"])


@pytest.mark.parametrize("district", FOLDERS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_filters_do_what_the_rules_say_for_any_address(district: str, data: st.DataObject) -> None:
    here = network(district)
    near = [int(prefix.network_address) for prefix in (*pools(here), *(p for p, _ in externals(here)))]
    anywhere = st.integers(0, 2**32 - 1) | st.builds(int.__add__, st.sampled_from(near), st.integers(0, 300))
    net = data.draw(st.sampled_from(here.nets))
    address, port = IPv4Address(data.draw(anywhere)), data.draw(PORTS)
    # Within its own network a host is reached without the switch's filter.
    if address not in net.prefix:
        wanted = permits(here, net, target(here, address), port) is not None
        assert through(district, net, address, port) == wanted


@pytest.mark.parametrize("district", FOLDERS)
def test_the_border_lets_out_what_rules_permit_and_its_answers_in(district: str) -> None:
    here = network(district)
    borders = [b for node in here.devices if (f := intent(district, node.id).filters) for b in f.border]
    assert len(borders) == len(here.district.uplink.peers)
    externals_ = {zone.id for zone in here.district.zones if zone.kind == "external"}
    nets = dict(zip(dict.fromkeys(cell.source for cell in expected(here).cells), here.nets, strict=True))
    for cell in expected(here).cells:
        if cell.destination in externals_ and cell.verdict == "permit":
            source, address = nets[cell.source].first_host, IPv4Address(cell.address)
            assert all(passes(border.outward, source, address, cell.port) for border in borders)
            back = [[e for e in border.inward if e.answers and e.rule == cell.rule] for border in borders]
            assert all(any(address in e.source and source in e.destination for e in found) for found in back)


def test_the_border_lets_nothing_begin_that_no_rule_permits() -> None:
    border = next(b for b in (intent("suxian", "core-1").filters or pytest.fail("no filters")).border)
    city, user = IPv4Address("172.20.0.1"), network("suxian").nets[0].first_host
    for service in network("suxian").services.values():
        assert not passes(border.inward, city, service, "tcp/80")
    assert not passes(border.inward, city, user, "tcp/80")


def test_what_comes_from_outside_with_an_address_of_the_district_is_forged() -> None:
    border = next(b for b in (intent("suxian", "core-1").filters or pytest.fail("no filters")).border)
    for pool in pools(network("suxian")):
        first = next(entry for entry in border.inward if pool.overlaps(entry.source))
        assert (first.action, first.source) == ("deny", pool)


@pytest.mark.parametrize("district", FOLDERS)
def test_zones_are_held_apart_at_the_far_end_alone(district: str) -> None:
    """Though the source's own switch had no filter, no packet of a zone that no rule connects comes to the users."""
    here = network(district)
    connected = {(rule.source.zone, rule.to.zone) for rule in here.district.rules}
    apart = [(a, b) for a in here.nets for b in here.nets if (a.vlan.zone, b.vlan.zone) not in connected]
    assert apart
    for source, destination in apart:
        inward = user_filters(district)[destination.prefix].inward
        assert not any(passes(inward, source.first_host, destination.first_host, port) for port in ("tcp/80", "icmp"))


def test_filters_name_no_other_units_network() -> None:
    here = network("suxian")
    for node in here.devices:
        filters = intent("suxian", node.id).filters
        own = {net.prefix for net in here.nets_of(node.id)}
        others = {net.prefix for net in here.nets} - own
        entries = [e for user in filters.users for e in (*user.outward, *user.inward)] if filters else []
        assert not others & {prefix for entry in entries for prefix in (entry.source, entry.destination)}


def test_devices_are_managed_by_controllers_and_spoken_to_by_neighbours_only() -> None:
    control = (intent("suxian", "acc-finance").filters or pytest.fail("no filters")).control
    nodes = network("suxian").nodes
    assert set(control.managers) == {nodes["ctl-1"].loopback, nodes["ctl-dr"].loopback}
    assert {port for port, _ in control.neighbours} == {"swp1", "swp2"}
    assert control.city == control.borders == ()
