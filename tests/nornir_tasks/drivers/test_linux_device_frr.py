"""How FRR's configuration is read and compared, on the text of a real ``show running-config``."""

from __future__ import annotations

from nornir_tasks.drivers.linux_device import PARTS, File, frr_lines

LIVE = """\
!
frr version 8.4.4
frr defaults traditional
hostname a
no ipv6 forwarding
service integrated-vtysh-config
!
interface swp1
 ip ospf bfd
exit
!
router bgp 65001
 neighbor 10.97.0.1 remote-as 65002
 !
 address-family ipv4 unicast
  network 10.98.0.1/32
 exit-address-family
exit
!
bfd
 profile district
  detect-multiplier 5
 exit
 !
exit
!
end
"""
FILE = """\
interface swp1
 ip ospf bfd
exit
!
interface swp2
exit
!
router bgp 65001
 neighbor 10.97.0.1 remote-as 65002
 address-family ipv4 unicast
  network 10.98.0.1/32
 exit-address-family
exit
bfd
 profile district
  detect-multiplier 5
"""

PATH = "/etc/frr/frr.conf"
routing = next(part for part in PARTS if part.name == "routing")


def _differences(text: str) -> list[str]:
    return routing.differences({PATH: File(PATH, "0640", "frr:frr", text)}, LIVE)


def test_each_line_is_known_with_its_contexts() -> None:
    assert frr_lines(LIVE)[5:] == [
        ("interface swp1",),
        ("interface swp1", "ip ospf bfd"),
        ("router bgp 65001",),
        ("router bgp 65001", "neighbor 10.97.0.1 remote-as 65002"),
        ("router bgp 65001", "address-family ipv4 unicast"),
        ("router bgp 65001", "address-family ipv4 unicast", "network 10.98.0.1/32"),
        ("bfd",),
        ("bfd", "profile district"),
        ("bfd", "profile district", "detect-multiplier 5"),
    ]


def test_what_frr_says_on_its_own_is_no_difference() -> None:
    assert _differences(FILE) == []


def test_the_order_of_contexts_is_no_difference() -> None:
    head, _, tail = FILE.partition("router bgp")
    assert _differences(f"router bgp{tail}exit\nexit\n{head}") == []


def test_a_line_in_another_context_is_a_difference() -> None:
    moved = FILE.replace("  network 10.98.0.1/32\n", "").replace(
        " address-family", " network 10.98.0.1/32\n address-family"
    )
    assert _differences(moved) == [
        "FRR lacks: router bgp 65001 / network 10.98.0.1/32",
        "FRR has: router bgp 65001 / address-family ipv4 unicast / network 10.98.0.1/32",
    ]


def test_a_name_in_the_file_counts() -> None:
    assert _differences(f"hostname b\n{FILE}") == ["FRR lacks: hostname b", "FRR has: hostname a"]


def test_the_host_s_name_is_frr_s_own_if_the_file_has_none() -> None:
    assert "FRR has: hostname a" not in _differences("bfd\n")


def test_a_file_that_is_not_there_wants_nothing() -> None:
    assert "FRR has: bfd" in routing.differences({}, LIVE)
