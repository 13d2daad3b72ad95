"""What real programs printed (Debian 12: iproute2 6.1, FRR 8.4.4, lldpd 1.0.16, iputils 20221126), decoded."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network

import pytest

from nornir_tasks.drivers import linux_getters as getters
from nornir_tasks.drivers import linux_health
from nornir_tasks.drivers.linux_ospf import OspfNeighbour, decode

ADDRESSES = """[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"qdisc":"noqueue",
"operstate":"UNKNOWN","group":"default","txqlen":1000,"link_type":"loopback","address":"00:00:00:00:00:00",
"addr_info":[{"family":"inet","local":"10.98.0.1","prefixlen":32,"scope":"global","label":"lo"},
{"family":"inet6","local":"::1","prefixlen":128,"scope":"host"}]},
{"ifindex":2,"ifname":"swp1","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1500,"operstate":"UP",
"ifalias":"to the peer","address":"22:43:da:60:fc:e1","addr_info":[]},
{"ifindex":4,"ifname":"swp3","flags":["BROADCAST","MULTICAST"],"mtu":1500,"operstate":"DOWN",
"address":"a2:00:00:00:00:01","addr_info":[]}]"""

LINKS = """[{"ifname":"swp1","stats64":{"rx":{"bytes":287884,"packets":4266,"errors":1,"dropped":2,"over_errors":0,
"multicast":66},"tx":{"bytes":313201,"packets":4381,"errors":3,"dropped":4,"carrier_errors":0,"collisions":0}}}]"""

NEIGHBOURS = """[{"dst":"10.97.0.1","dev":"swp1","lladdr":"ea:a5:a9:f8:01:a1","state":["DELAY"]},
{"dst":"10.97.0.9","dev":"swp1","state":["FAILED"]},
{"dst":"fe80::e8a5:a9ff:fef8:1a1","dev":"swp1","lladdr":"ea:a5:a9:f8:01:a1","state":["STALE"]}]"""

LLDP = """{"lldp":[{"interface":[{"name":"swp1","via":"LLDP","rid":"1","age":"0 day, 00:00:28","chassis":[{"id":[
{"type":"mac","value":"ea:a5:a9:f8:01:a1"}],"name":[{"value":"b"}],"descr":[{"value":"Debian GNU/Linux 12"}],
"capability":[{"type":"Bridge","enabled":false},{"type":"Router","enabled":true}]}],"port":[{"id":[{"type":"mac","value":
"ea:a5:a9:f8:01:a1"}],"descr":[{"value":"swp7"}],"ttl":[{"value":"120"}]}]}]}]}"""

BGP = """{"default":{"vrfId":0,"vrfName":"default","10.97.0.1":{"remoteAs":65002,"localAs":65001,
"nbrDesc":"the other one","remoteRouterId":"10.98.0.2","localRouterId":"10.98.0.1","bgpState":"Established",
"bgpTimerUpMsec":1058000,"addressFamilyInfo":{"ipv4Unicast":{"acceptedPrefixCounter":1,"sentPrefixCounter":2}}},
"10.97.0.3":{"remoteAs":65003,"localAs":65001,"remoteRouterId":"0.0.0.0","localRouterId":"10.98.0.1","bgpState":"Idle",
"adminShutDown":true,"addressFamilyInfo":{"ipv4Unicast":{"acceptedPrefixCounter":0}}}}}"""

ROUTES = """{"10.98.0.2/32":[{"prefix":"10.98.0.2/32","protocol":"bgp","vrfName":"default","selected":true,
"distance":20,"metric":0,"uptime":"00:17:37",
"nexthops":[{"fib":true,"ip":"10.97.0.1","interfaceName":"swp1","active":true}]},
{"prefix":"10.98.0.2/32","protocol":"ospf","vrfName":"default","distance":110,"metric":20,"uptime":"01w2d03h",
"nexthops":[{"ip":"10.97.0.1","interfaceName":"swp1","active":true}]}],
"10.97.0.0/31":[{"prefix":"10.97.0.0/31","protocol":"connected","selected":true,"uptime":"1d02h03m",
"nexthops":[{"fib":true,"directlyConnected":true,"interfaceName":"swp1"}]}]}"""

OSPF = """{"neighbors":{"10.98.0.2":[{"nbrState":"Full\\/-","ifaceAddress":"10.97.0.1","ifaceName":"swp1:10.97.0.0"}],
"10.98.0.3":[{"nbrState":"Init\\/DROther","ifaceAddress":"10.97.0.3","ifaceName":"swp0:10.97.0.2"}]}}"""

PING = """PING 10.97.0.1 (10.97.0.1) 56(84) bytes of data.
64 bytes from 10.97.0.1: icmp_seq=1 ttl=64 time=0.062 ms
64 bytes from 10.97.0.1: icmp_seq=2 ttl=64 time=0.042 ms

--- 10.97.0.1 ping statistics ---
3 packets transmitted, 2 received, 33% packet loss, time 402ms
rtt min/avg/max/mdev = 0.042/0.052/0.062/0.010 ms
"""


def test_interfaces() -> None:
    found = getters.interfaces(ADDRESSES, {"swp1": 10000.0})
    assert [(name, row["is_up"], row["is_enabled"]) for name, row in found.items()] == [
        ("lo", True, True),
        ("swp1", True, True),
        ("swp3", False, False),
    ]
    assert found["swp1"]["description"] == "to the peer"
    assert (found["swp1"]["speed"], found["swp3"]["speed"]) == (10000.0, -1.0)
    assert found["swp1"]["mac_address"] == "22:43:DA:60:FC:E1"


def test_interfaces_ip() -> None:
    assert getters.interfaces_ip(ADDRESSES) == {
        "lo": {"ipv4": {"10.98.0.1": {"prefix_length": 32}}, "ipv6": {"::1": {"prefix_length": 128}}}
    }


def test_counters() -> None:
    row = getters.counters(LINKS)["swp1"]
    assert (row["rx_octets"], row["tx_octets"]) == (287884, 313201)
    assert (row["rx_unicast_packets"], row["rx_multicast_packets"], row["tx_unicast_packets"]) == (4200, 66, 4381)
    assert (row["rx_errors"], row["rx_discards"], row["tx_errors"], row["tx_discards"]) == (1, 2, 3, 4)


def test_arp_has_only_resolved_ipv4_neighbours() -> None:
    assert getters.arp_table(NEIGHBOURS) == [
        {"interface": "swp1", "mac": "EA:A5:A9:F8:01:A1", "ip": "10.97.0.1", "age": -1.0}
    ]


def test_an_lldp_port_that_is_known_by_its_mac_is_called_by_its_name() -> None:
    assert getters.lldp_neighbors(LLDP) == {"swp1": [{"hostname": "b", "port": "swp7"}]}
    detail = getters.lldp_neighbors_detail(LLDP)["swp1"][0]
    assert detail["remote_port"] == "ea:a5:a9:f8:01:a1"
    assert (detail["remote_system_capab"], detail["remote_system_enable_capab"]) == (["bridge", "router"], ["router"])


def test_lldp_without_neighbours() -> None:
    assert getters.lldp_neighbors('{"lldp":[{}]}') == {}


def test_bgp_peers() -> None:
    found = getters.bgp_neighbors(BGP)["global"]
    assert found["router_id"] == "10.98.0.1"
    up, down = found["peers"]["10.97.0.1"], found["peers"]["10.97.0.3"]
    assert (up["is_up"], up["is_enabled"], up["uptime"], up["remote_id"]) == (True, True, 1058, "10.98.0.2")
    assert up["address_family"] == {"ipv4": {"received_prefixes": 1, "accepted_prefixes": 1, "sent_prefixes": 2}}
    assert (down["is_up"], down["is_enabled"], down["uptime"]) == (False, False, -1)


def test_bgp_that_does_not_run_has_no_peers() -> None:
    assert getters.bgp_neighbors("{}") == {"global": {"router_id": "", "peers": {}}}


def test_routes() -> None:
    bgp, ospf = getters.routes(ROUTES, "")["10.98.0.2/32"]
    assert (bgp["protocol"], bgp["current_active"], bgp["next_hop"], bgp["age"]) == ("bgp", True, "10.97.0.1", 1057)
    assert (ospf["current_active"], ospf["preference"], ospf["inactive_reason"]) == (
        False,
        110,
        "another route is preferred",
    )
    assert ospf["age"] == 9 * 86400 + 3 * 3600
    assert list(getters.routes(ROUTES, "direct")) == ["10.97.0.0/31"]
    assert getters.routes(ROUTES, "static") == {}


def test_ospf_neighbours_by_interface() -> None:
    assert decode(OSPF) == (
        OspfNeighbour(IPv4Address("10.98.0.3"), IPv4Address("10.97.0.3"), "swp0", "Init"),
        OspfNeighbour(IPv4Address("10.98.0.2"), IPv4Address("10.97.0.1"), "swp1", "Full"),
    )
    assert [one.full for one in decode(OSPF)] == [False, True]
    assert decode("{}") == ()


def test_ping_counts_what_is_lost_and_has_iputils_figures() -> None:
    found = getters.ping(PING, "", 3)["success"]
    assert (found["probes_sent"], found["packet_loss"]) == (3, 1)
    figures = [found[name] for name in ("rtt_min", "rtt_avg", "rtt_max", "rtt_stddev")]
    assert figures == pytest.approx([0.042, 0.052, 0.062, 0.010])


def test_a_ping_that_was_not_sent_is_an_error() -> None:
    words = "ping: connect: Network is unreachable"
    assert getters.ping("", words, 5) == {"error": words}


@pytest.mark.parametrize("text", [ADDRESSES, LINKS, NEIGHBOURS, LLDP, BGP, ROUTES])
def test_the_samples_are_json(text: str) -> None:
    json.loads(text)


def test_a_devices_health_is_read_of_all_its_programs_at_once() -> None:
    shown = {
        "show ip ospf neighbor json": OSPF,
        "show ip route json": ROUTES.replace('"selected":true,"uptime":"1d', '"uptime":"1d'),
        "counters": LINKS,
        "show bgp vrf all neighbors json": BGP,
    }
    found = linux_health.decode(shown)
    assert (found.ospf, found.bgp) == ({IPv4Address("10.98.0.2")}, {IPv4Address("10.97.0.1")})
    # A route that is not selected carries nothing.
    assert found.routes == {IPv4Network("10.98.0.2/32")}
    assert found.errors == {"swp1": 1 + 3}


def test_what_was_not_asked_is_not_known() -> None:
    found = linux_health.decode({"show ip ospf neighbor json": OSPF})
    assert (found.bgp, found.routes, found.errors) == (frozenset(), None, None)
