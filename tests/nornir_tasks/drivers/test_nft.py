"""What an nftables file lets pass, by the rules of nft(8)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from nornir_tasks.drivers.nft import ruleset
from nornir_tasks.reach import Packet

SSH = Packet(IPv4Address("10.0.0.1"), IPv4Address("10.9.9.9"), "tcp", 22)
HELLO = Packet(IPv4Address("10.1.0.0"), IPv4Address("224.0.0.5"), "ospf", inward="swp1", ttl=1)
PASSING = Packet(IPv4Address("10.0.0.1"), IPv4Address("10.9.9.9"), "tcp", 22, "swp1", "swp2")


def table(rules: str, policy: str = "drop", hook: str = "input", more: str = "") -> str:
    return (
        "#!/usr/sbin/nft -f\ntable inet t\ndelete table inet t\n"
        f"table inet t {{\n{more}\n"
        f"\tchain c {{\n\t\ttype filter hook {hook} priority filter; policy {policy};\n\t\t{rules}\n\t}}\n}}\n"
    )


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        ("", False),
        ("accept", True),
        ("drop", False),
        ("tcp dport 22 accept", True),
        ("tcp dport { 22, 830 } accept", True),
        ("tcp dport 20-25 accept", True),
        ("tcp dport 23 accept", False),
        ("udp dport 22 accept", False),
        ("ip saddr 10.0.0.1 accept", True),
        ("ip saddr 10.0.0.0/24 ip daddr 10.9.9.9 accept", True),
        ("ip saddr 10.0.1.0/24 accept", False),
        ("ip saddr != 10.0.1.0/24 accept", True),
        ("ip saddr != { 10.0.0.1, 10.0.0.2 } accept", False),
        ("ip saddr @managers tcp dport 22 accept", True),
        ("ip saddr @others accept", False),
        ("ip saddr @unheard-of accept", False),
        ("ct state established,related accept", False),
        ("ct state new accept", True),
        ("ct state { established, new } counter accept", True),
        ("ct state invalid drop; accept", True),
        ('iifname "lo" accept', False),
        ('meta l4proto tcp counter log prefix "in: " accept comment "yes; {really}"', True),
        # A limit may be used up, and what is not known may not match: neither is a sure way in.
        ("limit rate 10/second accept", False),
        ("tcp flags syn accept", False),
        # What is not known may match, so it may refuse.
        ("tcp flags syn drop; accept", False),
        ('limit rate 10/second log prefix "in: "; accept', True),
        ("jump ok", True),
        ("goto ok", True),
        ("jump empty; accept", True),
        ("goto empty; accept", False),
        ("tcp dport 23 goto no; accept", True),
        ("goto no; accept", False),
        ("tcp dport 22 return; accept", False),
        ("# accept", False),
    ],
)
def test_a_rule_is_followed(rules: str, passes: bool) -> None:
    more = (
        "\tset managers {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t\t\t10.0.0.3 }\n\t}\n"
        "\tset others { type ipv4_addr; elements = { 10.0.0.2 } }\n"
        "\tchain ok {\n\t\taccept\n\t}\n\tchain empty {\n\t}\n\tchain no { reject with icmpx admin-prohibited; }\n"
    )
    assert ruleset(table(rules, more=more)).accepts(SSH) is passes


def test_the_policy_decides_what_no_rule_does() -> None:
    assert ruleset(table("", policy="accept")).accepts(SSH)
    assert not ruleset(table("", policy="drop")).accepts(SSH)
    assert ruleset("").accepts(SSH)


def test_every_chain_on_the_way_must_agree() -> None:
    assert not ruleset(table("accept") + table("drop", hook="prerouting").replace("inet t", "inet u")).accepts(SSH)
    assert ruleset(table("accept") + table("drop", hook="forward").replace("inet t", "inet u")).accepts(SSH)


def test_pairs_of_port_and_address_belong_together() -> None:
    more = '\tset near {\n\t\ttype ifname . ipv4_addr\n\t\telements = { "swp1" . 10.1.0.0, "swp2" . 10.1.0.2 }\n\t}\n'
    rules = ruleset(table("ip protocol ospf iifname . ip saddr @near accept", more=more))
    assert rules.accepts(HELLO)
    assert not rules.accepts(Packet(HELLO.source, HELLO.destination, "ospf", inward="swp2"))
    assert not rules.accepts(Packet(HELLO.source, HELLO.destination, "tcp", inward="swp1"))


def test_what_passes_on_is_asked_of_other_chains() -> None:
    rules = 'iifname { "swp1", "swp2" } oifname { "swp1", "swp2" } accept'
    assert ruleset(table(rules, hook="forward")).accepts(PASSING)
    assert not ruleset(table(rules.replace('"swp2"', '"swp3"'), hook="forward")).accepts(PASSING)


def test_chains_that_jump_in_a_circle_let_nothing_pass() -> None:
    more = "\tchain a {\n\t\tjump b\n\t}\n\tchain b {\n\t\tjump a\n\t}\n"
    assert not ruleset(table("jump a; accept", more=more)).accepts(SSH)


def test_a_damaged_file_is_read_as_far_as_it_goes() -> None:
    for end in range(0, len(text := table("tcp dport { 22 } accept")), 7):
        ruleset(text[:end])
