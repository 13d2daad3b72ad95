"""The judge of bench prefix, on command lists that are wrong by hand: it must be able to say no."""

from __future__ import annotations

import pytest
from judge import Judge, Managed, Verdict

from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.vrp import VRP

RUNNING = """\
vlan 20,99
interface GigabitEthernet0/1
 switchport trunk allowed vlan 20,99
 switchport mode trunk
interface GigabitEthernet0/2
 switchport access vlan 20
 switchport mode access
interface Vlan20
 ip address 10.0.20.1 255.255.255.0
 ip access-group IN in
interface Vlan99
 ip address 10.99.0.2 255.255.255.0
ip access-list extended IN
 10 permit tcp any any eq 443
 20 deny ip any any
ip route 0.0.0.0 0.0.0.0 10.99.0.1
ntp server 10.8.0.1
line vty 0 4
 access-class IN in
"""
MANAGED = Managed("10.99.0.2", "10.250.0.9", ("GigabitEthernet0/1",))
# The logins' list must admit the management for everything else to be judged.
RUNNING = RUNNING.replace(" 10 permit", " 5 permit tcp host 10.250.0.9 any eq 22\n 10 permit")


def judged(commands: str, intended: str = RUNNING, running: str = RUNNING, dialect: Dialect = IOS) -> Verdict:
    return Judge(dialect, running, intended, MANAGED).judge([line.strip() for line in commands.splitlines()])


def wrong(verdict: Verdict) -> list[str]:
    return list(dict.fromkeys(words for _, words in verdict.unsafe))


def test_nothing_typed_is_nothing_wrong() -> None:
    assert judged("") == Verdict((), (), (), arrived=True)


@pytest.mark.parametrize(
    ("commands", "found"),
    [
        ("interface Vlan99\nshutdown\nno shutdown", "management: no address"),
        ("interface Vlan99\nno ip address\nip address 10.99.0.2 255.255.255.0", "management: no address"),
        (
            "interface GigabitEthernet0/1\nswitchport trunk allowed vlan 20\nswitchport trunk allowed vlan 20,99",
            "management: VLAN 99 on no uplink",
        ),
        ("no vlan 20,99\nvlan 20,99", "management: VLAN 99 on no uplink"),
        ("no ip route 0.0.0.0 0.0.0.0 10.99.0.1\nip route 0.0.0.0 0.0.0.0 10.99.0.1", "management: no route back"),
        (
            "ip access-list extended IN\nno 5\n5 permit tcp host 10.250.0.9 any eq 22",
            "management: stopped at line vty 0 4",
        ),
        ("interface Vlan20\nno ip access-group IN in\nip access-group IN in", "filter at interface Vlan20: none"),
        ("interface Vlan20\nip access-group NEW in\nip access-group IN in", "filter at interface Vlan20: empty"),
        (
            "ip access-list extended IN\nno 20\n20 deny ip any any\nno 10\n10 permit tcp any any eq 443",
            "filter at interface Vlan20: neither old nor new",
        ),
        (
            "interface Vlan20\nno ip address\nip address 10.0.20.1 255.255.255.0",
            "gateway: interface Vlan20 has no address",
        ),
        ("no vlan 20\nvlan 20", "VLAN 20 is gone"),
        (
            "interface GigabitEthernet0/2\nno switchport access vlan\nswitchport access vlan 20",
            "VLAN 20 is cut at interface GigabitEthernet0/2",
        ),
        (
            "interface GigabitEthernet0/1\nno switchport trunk allowed vlan 20\nswitchport trunk allowed vlan 20,99",
            "VLAN 1 leaks at interface GigabitEthernet0/1",
        ),
    ],
)
def test_what_is_wrong_on_the_way_is_seen_though_the_end_is_right(commands: str, found: str) -> None:
    verdict = judged(commands)
    assert found in wrong(verdict)
    assert verdict.arrived


def test_a_deleted_list_leaves_its_places_open() -> None:
    verdict = judged(
        "no ip access-list extended IN\nip access-list extended IN\n5 permit tcp host 10.250.0.9 any eq 22\n"
        "10 permit tcp any any eq 443\n20 deny ip any any"
    )
    assert verdict.unsafe[0] == ("no ip access-list extended IN", "filter at interface Vlan20: empty")
    assert verdict.arrived


def test_a_line_that_should_have_stayed_is_told() -> None:
    assert judged("no ntp server 10.8.0.1\nntp server 10.8.0.1").lost == ("ntp server 10.8.0.1",)


def test_a_list_that_does_not_get_there_has_not_arrived() -> None:
    assert not judged("", intended=RUNNING.replace("10.8.0.1", "10.8.0.2")).arrived
    assert not judged("hostname b").arrived
    moved = RUNNING.replace("20,99\n switchport mode", "20,30,99\n switchport mode")
    assert not judged("interface GigabitEthernet0/1\nswitchport trunk allowed vlan add 31", intended=moved).arrived


def test_a_replacement_made_before_the_break_is_safe() -> None:
    intended = RUNNING.replace("10.99.0.1\n", "10.99.0.3\n")
    verdict = judged("ip route 0.0.0.0 0.0.0.0 10.99.0.3\nno ip route 0.0.0.0 0.0.0.0 10.99.0.1", intended=intended)
    assert verdict == Verdict((), (), (), arrived=True)


VRP_TEXT = """\
vlan batch 20 99
acl number 3020
 rule 5 permit ip source 10.0.20.0 0.0.0.255
 rule 10 deny ip
interface Vlanif20
 ip address 10.0.20.1 255.255.255.0
 traffic-filter inbound acl 3020
interface Vlanif99
 ip address 10.99.0.2 255.255.255.0
interface GigabitEthernet0/1
 port link-type trunk
 port trunk allow-pass vlan 20 99
ip route-static 0.0.0.0 0.0.0.0 10.99.0.1
"""


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("undo vlan batch 20", "delete its interface first"),
        ("interface Vlanif30", "create the VLAN first"),
        ("acl number 3020\nrule 20 deny ip", "there is such a rule"),
        ("interface Vlanif20\ntraffic-filter inbound acl 3021", "only one list in one direction"),
        ("interface GigabitEthernet0/1\nport link-type access", "renew the default configuration first"),
        ("undo interface GigabitEthernet0/1", "hardware cannot be removed"),
    ],
)
def test_what_a_device_does_not_take_changes_nothing(command: str, why: str) -> None:
    verdict = judged(command, VRP_TEXT, VRP_TEXT, VRP)
    assert [refused for refused in verdict.refused if why in refused]
    assert verdict.arrived


def test_an_open_filter_is_seen_where_unmatched_packets_pass() -> None:
    verdict = judged("acl number 3020\nundo rule 10\nrule 10 deny ip", VRP_TEXT, VRP_TEXT, VRP)
    assert wrong(verdict) == ["filter at interface Vlanif20: neither old nor new"]
