"""Commands whose effect the vendors' manuals state."""

from __future__ import annotations

import pytest

from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.model import Device, NotAcceptedError, State
from nornir_tasks.patch.tree import parse
from nornir_tasks.patch.vrp import VRP


def after(dialect: Dialect, running: str, *commands: str) -> State:
    trees = parse(running, dialect)
    device = Device(dialect, [trees])
    state = device.load(trees)
    for command in commands:
        state = device.apply(state, command)
    return state


def described(dialect: Dialect, text: str) -> frozenset[tuple[str, ...]]:
    return after(dialect, text).paths


PORT = "interface GigabitEthernet0/1\n switchport trunk allowed vlan {}\n"


@pytest.mark.parametrize(
    ("command", "vlans"),
    [
        ("switchport trunk allowed vlan add 30", "10,20,30"),
        ("switchport trunk allowed vlan remove 10", "20"),
        ("switchport trunk allowed vlan remove 10,20", "none"),
        ("switchport trunk allowed vlan 5", "5"),
    ],
)
def test_a_trunks_list_is_changed_as_a_set(command: str, vlans: str) -> None:
    state = after(IOS, PORT.format("10,20"), "interface GigabitEthernet0/1", command)
    assert state.paths == described(IOS, PORT.format(vlans))


@pytest.mark.parametrize("end", ["", " 10", " remove 10"])
def test_a_negated_list_is_gone_whatever_follows(end: str) -> None:
    port = "interface GigabitEthernet0/1\n description x\n"
    said = f"no switchport trunk allowed vlan{end}"
    state = after(IOS, PORT.format("10,20") + " description x\n", "interface GigabitEthernet0/1", said)
    assert state.paths == described(IOS, port)


def test_a_list_that_goes_on_in_a_second_line_is_one_list() -> None:
    two = PORT.format("10,20") + " switchport trunk allowed vlan add 30\n"
    assert described(IOS, two) == described(IOS, PORT.format("10,20,30"))


def test_vlans_on_one_line_are_vlans() -> None:
    assert described(IOS, "vlan 69,381\n") == described(IOS, "vlan 69\nvlan 381\n")
    assert described(VRP, "vlan batch 10 20 to 22\n") == described(VRP, "vlan batch 10 20\nvlan batch 21 22\n")
    assert after(IOS, "vlan 69,381\n", "no vlan 69,381").paths == frozenset()


def test_a_single_line_takes_the_place_of_the_other() -> None:
    running = "interface Vlan10\n ip address 10.0.0.1 255.255.255.0\n ip address 10.1.0.1 255.255.255.0 secondary\n"
    state = after(IOS, running, "interface Vlan10", "ip address 10.0.0.2 255.255.255.0")
    assert state.paths == described(IOS, running.replace("10.0.0.1", "10.0.0.2"))


def test_a_negated_word_takes_all_lines_that_begin_with_it() -> None:
    running = "interface Vlan10\n ip address 10.0.0.1 255.255.255.0\n ip address 10.1.0.1 255.255.255.0 secondary\n"
    assert after(IOS, running, "interface Vlan10", "no ip address").paths == described(IOS, "interface Vlan10\n")


def test_a_section_goes_with_all_that_is_in_it() -> None:
    running = "ospf 1\n area 0.0.0.0\n  network 10.0.0.0 0.0.0.255\n"
    assert after(VRP, running, "undo ospf 1").paths == frozenset()
    assert after(VRP, running, "ospf 1", "area 0.0.0.0", "quit").section == ("ospf 1",)


ACL = "ip access-list extended A\n 10 permit ip any any\n"


def test_a_rule_without_a_number_comes_ten_later() -> None:
    state = after(IOS, ACL, "ip access-list extended A", "deny udp any any")
    assert state.paths == described(IOS, f"{ACL} 20 deny udp any any\n")


@pytest.mark.parametrize("command", ["10 deny udp any any", "20 permit ip any any"])
def test_a_number_or_a_rule_that_is_there_is_not_accepted(command: str) -> None:
    with pytest.raises(NotAcceptedError, match="there already"):
        after(IOS, ACL, "ip access-list extended A", command)


def test_hardware_without_lines_is_nothing() -> None:
    assert described(IOS, "interface GigabitEthernet0/1\nline vty 0 4\n") == frozenset()
    assert described(IOS, "interface Vlan1\n") == {("interface Vlan1",)}
