"""What lists let through, against packets that the bench's judge tries one by one, and how vendors write rules."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge import Packet, matches

from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.keywords import RULES
from nornir_tasks.patch.rules import Match, Universe, parse, parts, written

NETS = st.sampled_from(["10.0.0.0 0.0.255.255", "10.0.10.0 0.0.0.255", "10.0.10.9 0", "10.0.10.8 0.0.0.1"])


@st.composite
def rules(draw: st.DrawFn) -> str:
    proto = draw(st.sampled_from(["ip", "tcp", "udp", "icmp"]))
    words = [draw(st.sampled_from(["permit", "deny"])), proto]
    words += ["source", draw(NETS)] if draw(st.booleans()) else []
    words += ["destination", draw(NETS)] if draw(st.booleans()) else []
    if proto in {"tcp", "udp"} and draw(st.booleans()):
        words += ["destination-port eq", draw(st.sampled_from(["22", "443"]))]
    return " ".join(words)


def asked(packet: Packet) -> Match:
    one, other = int(packet.source), int(packet.target)
    proto = packet.proto if packet.proto in {"tcp", "udp", "icmp"} else "ip"
    port = (packet.port, packet.port) if proto in {"tcp", "udp"} else (0, 65535)
    return Match(permit=True, proto=proto, src=(one, one), dst=(other, other), dport=port)


ADDRESSES = st.sampled_from(["10.0.10.9", "10.0.10.8", "10.0.10.7", "10.0.99.1", "192.0.2.1"]).map(IPv4Address)
PACKETS = st.builds(
    Packet, st.sampled_from(["tcp", "udp", "icmp"]), ADDRESSES, ADDRESSES, st.sampled_from([22, 443, 80])
)


@given(st.lists(rules(), max_size=5), PACKETS, st.booleans())
def test_a_list_passes_what_its_first_matching_rule_permits(texts: list[str], packet: Packet, otherwise: bool) -> None:
    first = next((text for text in texts if matches(text, packet)), None)
    expected = first.startswith("permit") if first else otherwise
    understood = [match for text in texts if (match := parse(text, RULES))]
    universe = Universe([*understood, asked(packet)])
    passing = universe.passing(understood, universe.all if otherwise else 0)
    assert bool(passing & universe.mask(asked(packet))) == expected


@given(rules(), PACKETS)
def test_the_parts_of_a_rule_match_what_it_does(text: str, packet: Packet) -> None:
    match = parse(text, RULES)
    assert match
    said = [written(part) for part in parts(match)]
    assert len(said) > 1
    assert text not in said
    assert [parse(one, RULES) for one in said] == list(parts(match))
    assert any(matches(one, packet) for one in said) == matches(text, packet)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("permit tcp host 10.0.0.9 any eq ssh", Match(True, "tcp", (0x0A000009,) * 2, dport=(22, 22))),
        ("deny ip 10.0.1.0 0.0.0.255 host 10.0.0.9", Match(False, "ip", (0x0A000100, 0x0A0001FF), (0x0A000009,) * 2)),
        ("permit udp any range 5000 5999 any gt 1023", Match(True, "udp", sport=(5000, 5999), dport=(1024, 65535))),
        ("permit 10.0.0.9", Match(True, "ip", (0x0A000009,) * 2, basic=True)),
    ],
)
def test_ios_rules_are_understood(text: str, match: Match) -> None:
    assert parse(text, IOS.lists.grammar) == match


@pytest.mark.parametrize(
    "text",
    [
        "permit tcp any any established",
        "permit ip 10.0.0.0 0.0.255.0 any",
        "permit tcp any any eq kerberos",
        "evaluate x",
    ],
)
def test_what_is_not_understood_is_not_guessed(text: str) -> None:
    assert parse(text, IOS.lists.grammar) is None


def test_a_rule_for_one_login_host_has_no_parts() -> None:
    match = parse("permit source 10.0.0.9 0", RULES)
    assert match
    assert parts(match) == ()
    assert written(match) == "permit source 10.0.0.9 0"
    assert IPv4Network("10.0.0.9/32").num_addresses == 1
