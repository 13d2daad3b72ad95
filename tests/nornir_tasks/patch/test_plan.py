"""Every prefix of every list is safe, said by a judge that shares only the parser with the planner."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from random import Random

import pytest
from corpus import ADDRESS, SOURCE, pair
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import Judge, Managed
from words import WRITERS, uplinks

from netdr.kernel.errors import RefusedError
from nornir_tasks.patch.comware import COMWARE
from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.invariants import Management
from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.plan import commands
from nornir_tasks.patch.vrp import VRP

DIALECTS = pytest.mark.parametrize("dialect", [IOS, VRP, COMWARE], ids=lambda dialect: dialect.name)
MANAGEMENT = Management(IPv4Address("10.99.0.2"), (IPv4Network("10.250.0.9/32"),))


@DIALECTS
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_prefix_of_every_list_is_safe(dialect: Dialect, random: Random) -> None:
    old, new = pair(random, swaps=dialect is IOS)
    running, intended = WRITERS[dialect.name](old), WRITERS[dialect.name](new)
    management = Management(IPv4Address(ADDRESS), (IPv4Network(SOURCE),), uplinks(dialect.name))
    said = commands(dialect, running, intended, management)
    verdict = Judge(dialect, running, intended, Managed(ADDRESS, SOURCE, uplinks(dialect.name))).judge(said)
    assert verdict.unsafe == ()
    assert verdict.lost == ()
    assert verdict.refused == ()
    assert verdict.arrived


@DIALECTS
@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_equal_configurations_need_no_command(dialect: Dialect, random: Random) -> None:
    text = WRITERS[dialect.name](pair(random, swaps=dialect is IOS)[1])
    assert commands(dialect, text, text) == ()


def refusal(dialect: Dialect, running: str, intended: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        commands(dialect, running, intended, MANAGEMENT)
    assert caught.value.hint
    return caught.value


IOS_TEXT = """\
vlan 20,99
interface GigabitEthernet0/1
 switchport trunk allowed vlan 20,99
 switchport mode trunk
interface Vlan99
 ip address 10.99.0.2 255.255.255.0
 ip access-group M in
ip access-list extended M
 10 permit tcp host 10.250.0.9 any eq 22
ip route 0.0.0.0 0.0.0.0 10.99.0.1
"""


@pytest.mark.parametrize(
    ("line", "instead", "command", "invariant"),
    [
        (" ip address 10.99.0.2", " ip address 10.99.0.7", "ip address 10.99.0.7 255.255.255.0", "management address"),
        (" switchport trunk allowed vlan 20,99", " switchport trunk allowed vlan 20", "remove 99", "management VLAN"),
        (" switchport mode trunk", " switchport mode access", "switchport mode access", "management VLAN"),
        ("interface Vlan99\n", "interface Vlan99\n shutdown\n", "shutdown", "management address"),
        (" 10 permit tcp host 10.250.0.9", " 10 permit tcp host 10.250.0.8", "M-SWAP in", "management filter"),
        ("ip route 0.0.0.0 0.0.0.0 10.99.0.1\n", "", "no ip route 0.0.0.0", "management route"),
    ],
)
def test_what_cuts_the_management_off_is_refused(line: str, instead: str, command: str, invariant: str) -> None:
    error = refusal(IOS, IOS_TEXT, IOS_TEXT.replace(line, instead))
    assert command in error.why
    assert f"'{invariant}'" in error.why


def test_the_last_uplink_goes_after_the_next_one_is_there() -> None:
    second = "interface GigabitEthernet0/2\n"
    running = IOS_TEXT + second + " shutdown\n"
    uplink = " switchport trunk allowed vlan 20,99\n switchport mode trunk\n"
    intended = IOS_TEXT.replace(uplink, " shutdown\n") + second + uplink
    said = commands(IOS, running, intended, MANAGEMENT)
    assert said.index("no shutdown") < said.index("shutdown")
    assert refusal(IOS, running, intended.replace("20,99\n switchport mode trunk", "20\n switchport mode trunk"))


VRP_TEXT = """\
vlan batch 20
acl number 3020
 rule 5 permit ip source 10.0.20.0 0.0.0.255
 rule 10 deny ip
interface Vlanif20
 ip address 10.0.20.1 255.255.255.0
 traffic-filter inbound acl 3020
"""


def test_a_filter_that_cannot_be_swapped_is_refused() -> None:
    other = VRP_TEXT.replace("acl number 3020", "acl number 3021").replace("inbound acl 3020", "inbound acl 3021")
    error = refusal(VRP, VRP_TEXT, other)
    assert "an applied filter is between old and new" in error.why


def test_rules_that_are_not_understood_are_not_changed_in_place() -> None:
    running = VRP_TEXT.replace("10.0.20.0 0.0.0.255", "10.0.20.0 0.0.0.255 time-range office")
    error = refusal(VRP, running, running.replace("rule 5 ", "rule 6 "))
    assert "an applied filter is between old and new" in error.why


def test_rules_that_are_not_understood_are_swapped() -> None:
    running = IOS_TEXT + (
        "interface Vlan20\n ip address 10.0.20.1 255.255.255.0\n ip access-group T in\n"
        "ip access-list extended T\n 10 permit tcp any any established\n"
    )
    said = commands(IOS, running, running.replace("10 permit tcp any any est", "20 permit tcp any any est"), MANAGEMENT)
    assert said.count("ip access-group T-SWAP in") == 1
    assert said[-1] == "no ip access-list extended T-SWAP"


def test_a_list_shown_without_numbers_is_swapped() -> None:
    running = IOS_TEXT.replace(" 10 permit", " permit")
    said = commands(IOS, running, IOS_TEXT, MANAGEMENT)
    assert said == ()
    more = running.replace(" eq 22\n", " eq 22\n permit udp host 10.250.0.9 any eq 161\n")
    assert "ip access-group M-SWAP in" in commands(IOS, running, more, MANAGEMENT)


def test_a_banner_is_not_a_line() -> None:
    banner = "banner motd ^C\nno entry\n^C\n"
    assert commands(IOS, banner + IOS_TEXT, banner + IOS_TEXT) == ()
    assert "banner" in refusal(IOS, IOS_TEXT, banner + IOS_TEXT).what


def test_a_text_that_contradicts_itself_is_refused() -> None:
    twice = IOS_TEXT.replace(" eq 22\n", " eq 22\n 10 permit udp any any\n")
    assert "contradicts itself" in refusal(IOS, IOS_TEXT, twice).what


def test_an_unknown_line_of_an_uplink_is_not_touched() -> None:
    running = IOS_TEXT.replace(" switchport mode trunk\n", " switchport mode trunk\n channel-group 1 mode active\n")
    with pytest.raises(RefusedError, match="channel-group 1 mode active"):
        commands(IOS, running, IOS_TEXT, Management(MANAGEMENT.address, MANAGEMENT.sources, ("GigabitEthernet0/1",)))


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        (IOS, "interface Vlan20\n ipv6 traffic-filter X in\n"),
        (IOS, "access-list 10 permit any\n"),
        (VRP, "acl ipv6 number 3000\n rule 5 deny ipv6\n"),
        (VRP, "interface Vlanif20\n traffic-policy P inbound\n"),
        (COMWARE, "interface Vlan-interface20\n packet-filter mac 4000 inbound\n"),
    ],
)
def test_filters_that_are_not_understood_are_not_changed(dialect: Dialect, line: str) -> None:
    assert "cannot be changed safely" in refusal(dialect, "", line).what


def test_the_default_gateway_of_a_plain_switch_is_a_way() -> None:
    running = IOS_TEXT.replace("ip route 0.0.0.0 0.0.0.0 10.99.0.1", "ip default-gateway 10.99.0.1")
    said = commands(IOS, running, running.replace("10.99.0.1\n", "10.99.0.3\n"), MANAGEMENT)
    assert said == ("ip default-gateway 10.99.0.3",)
    assert "'management route'" in refusal(IOS, running, running.replace("ip default-gateway 10.99.0.1\n", "")).why


@DIALECTS
def test_vlan_1_is_always_there(dialect: Dialect) -> None:
    assert commands(dialect, "vlan 1\nvlan 2\n", "vlan 2\n") == ()
