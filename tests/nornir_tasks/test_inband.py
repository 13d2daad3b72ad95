"""Changes that would cut off the hand that makes them, made by hand on what the templates really say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import load, placement
from inventory import secrets as vault
from inventory.network import Network
from netdr.kernel.errors import Problems, RefusedError
from netdr.kernel.secret import Secret
from nornir_tasks import render
from nornir_tasks.adjacency import Adjacencies, Sides
from nornir_tasks.drivers import linux_reach
from nornir_tasks.inband import demand, ordered
from nornir_tasks.paths import reachable

ROOT = Path(__file__).parents[2]
LINWU = load.network(ROOT / "tests/districts/linwu")
Edit = Callable[[str], str]


def keys(network: Network) -> Mapping[str, Secret]:
    references = vault.references(network.district)
    return {
        one.name: Secret(f"ssh-ed25519 AAAA{n:06}" if "key" in one.name else f"canary{n:08}")
        for n, one in enumerate(references)
    }


def rendered(network: Network) -> Mapping[str, str]:
    return render.render_all(network, placement.home(network.district).active, short(network))


def short(network: Network) -> Mapping[str, Secret]:
    """OSPF takes sixteen characters."""
    found = dict(keys(network))
    found[network.district.settings.ospf.key.secret] = Secret("sixteen-letters-")
    return found


NOW = rendered(LINWU)


def sub(pattern: str, new: str) -> Edit:
    def edit(text: str) -> str:
        changed, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert count, f"{pattern} stands nowhere"
        return changed

    return edit


def without(*ports: str) -> Edit:
    """Take ports out of /etc/network/interfaces."""

    def edit(text: str) -> str:
        for port in ports:
            text = sub(rf"^auto {port}\niface {port}\n(    .*\n)+", "")(text)
        return text

    return edit


def key(port: str) -> Edit:
    """Sign with another key on a port."""
    return sub(
        rf"(?<=^interface {port}\n)((?: .*\n)*?) ip ospf message-digest-key 1 md5 .*\n",
        r"\1 ip ospf message-digest-key 1 md5 other\n",
    )


BANNER = sub("Authorised use only", "Authorized use only")


def plan(
    edits: Mapping[str, Edit],
    *waves: str,
    now: Mapping[str, str] = NOW,
    scope: tuple[str, ...] = (),
    by: str = "warden",
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    texts = {
        device: (now[device], edits[device](now[device]) if device in edits else now[device]) for device in scope or NOW
    }
    assert {device for wave in waves for device in wave.split()} == set(edits)
    return ordered(LINWU, by, texts, tuple(tuple(wave.split()) for wave in waves))


def refused(edits: Mapping[str, Edit], *waves: str, **more: object) -> list[RefusedError]:
    with pytest.raises(Problems) as caught:
        plan(edits, *waves, **more)  # type: ignore[arg-type]
    assert all(isinstance(problem, RefusedError) for problem in caught.value.problems)
    return [problem for problem in caught.value.problems if isinstance(problem, RefusedError)]


@pytest.mark.parametrize("folder", ["tests/districts/linwu", "inventory/suxian"])
@pytest.mark.parametrize("number", [0, 1])
def test_every_controller_reaches_every_device_by_what_the_templates_say(folder: str, number: int) -> None:
    network = load.network(ROOT / folder)
    texts = rendered(network)
    day0 = {device: render.day0(network, device, short(network)) for device in texts}
    sides = {}
    for device in texts:
        running, intended = linux_reach.read(day0[device]), linux_reach.read(texts[device])
        assert running
        assert intended
        sides[device] = Sides(running, intended)
    lines = Adjacencies(network, network.hosts("controller")[number].id, sides)
    assert lines.reached(()) == lines.reached(set(texts)) == set(texts)
    assert {cable.name for cable in lines.cables} == {w.name for w in network.wires if w.kind in {"backbone", "uplink"}}


def test_the_way_from_day_0_to_all_features_is_safe() -> None:
    texts = {device: (render.day0(LINWU, device, short(LINWU)), NOW[device]) for device in NOW}
    waves = (tuple(device for device in NOW if device != "hub"), ("hub",))
    assert ordered(LINWU, "warden", texts, waves) == (waves, ())


LINKS = [wire for wire in LINWU.wires if wire.kind in {"backbone", "uplink"}]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(LINKS), max_size=12), st.data())
def test_what_is_reached_is_what_the_map_says(gone: set[object], data: st.DataObject) -> None:
    """Ports taken away at either end, against the reachability of the drawing."""
    texts = dict(NOW)
    for wire in LINKS:
        if wire in gone:
            end = data.draw(st.sampled_from(wire.ends))
            texts[end.node] = without(end.port)(texts[end.node])
    sides = {}
    for device, text in texts.items():
        running, intended = linux_reach.read(NOW[device]), linux_reach.read(text)
        assert running
        assert intended
        sides[device] = Sides(running, intended)
    expected = reachable(LINWU, "warden", links=[wire.name for wire in LINKS if wire in gone])
    assert Adjacencies(LINWU, "warden", sides).reached(set(texts)) == expected & set(texts)


# ---- single devices ----------------------------------------------------------------------------------------


def test_a_harmless_change_goes_as_it_was_ordered() -> None:
    edits = dict.fromkeys(NOW, BANNER)
    waves = (" ".join(device for device in NOW if device != "hub"), "hub")
    assert plan(edits, *waves) == (tuple(tuple(wave.split()) for wave in waves), ())


def test_one_uplink_may_go() -> None:
    assert plan({"acc-mill": without("swp2")}, "acc-mill") == ((("acc-mill",),), ("acc-mill takes down acc-mill--hub",))
    both_ends = {"acc-mill": without("swp2"), "hub": without("swp6")}
    waves, notes = plan(both_ends, "acc-mill", "hub")
    assert waves == (("acc-mill",), ("hub",))
    assert notes == ("acc-mill takes down acc-mill--hub", "hub takes down acc-mill--hub")


def test_both_uplinks_may_not() -> None:
    (problem,) = refused({"acc-mill": without("swp1", "swp2")}, "acc-mill")
    assert problem.where == "acc-mill"
    assert "it takes down acc-mill--hub, acc-mill--ring-n" in problem.why
    assert problem.why.endswith("out of reach before they are confirmed: acc-mill")
    assert problem.hint.startswith("split the change")


def test_a_neighbour_may_not_take_the_last_line_of_another() -> None:
    (problem,) = refused({"ring-l": without("swp6"), "acc-ferry": BANNER}, "acc-ferry", "ring-l")
    assert (problem.where, "acc-ferry--ring-l" in problem.why) == ("ring-l", True)
    assert problem.why.endswith(": acc-ferry")


def test_what_is_not_to_be_changed_must_be_there_in_the_end() -> None:
    (problem,) = refused({"ring-l": without("swp6")}, "ring-l")
    assert problem.why.endswith(": acc-ferry")
    assert plan({"ring-l": without("swp6")}, "ring-l", scope=("ring-l", "hub"))[0] == (("ring-l",),)


ADDRESS = "192.168.251.13"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (sub(rf"^    address {ADDRESS}/32", "    address 192.168.251.60/32"), f"its loopback {ADDRESS} goes"),
        (
            sub(r"^interface lo\n ip ospf area 7\n", "interface lo\n"),
            f"nobody is told the way to its loopback {ADDRESS}",
        ),
        (sub(rf"^ListenAddress {ADDRESS}", "ListenAddress 192.168.251.60"), f"sshd does not listen on {ADDRESS}"),
        (sub("^Port 22", "Port 2222"), f"sshd does not listen on {ADDRESS}"),
        (sub("^AllowUsers keeper", "AllowUsers janitor"), "the account keeper may not log in"),
        (sub("^ssh-ed25519 .*", "ssh-ed25519 AAAAother"), "the key that it is reached with"),
        (
            sub(r"elements = \{ 192.168.251.14, 192.168.251.16 \}", "elements = { 192.168.251.16 }"),
            "does not let warden in",
        ),
        (sub(r".*@managers.*dport 22 accept\n", ""), "does not let warden in"),
        (sub(r"^#: file /etc/ssh/sshd_config .*\n(?:(?!#: ).*\n)+", ""), f"sshd does not listen on {ADDRESS}"),
    ],
)
def test_the_way_in_may_not_be_closed(edit: Edit, words: str) -> None:
    (problem,) = refused({"acc-mill": edit}, "acc-mill")
    assert problem.where == "acc-mill"
    assert words in problem.why
    assert "beside the old one" in problem.hint


def test_the_way_in_may_be_widened() -> None:
    more = sub("^ssh-ed25519 .*", r"\g<0>\nssh-ed25519 AAAAother")
    assert plan({"acc-mill": more}, "acc-mill")[1] == ()
    assert plan({"acc-mill": sub(f"^ListenAddress {ADDRESS}\n", "")}, "acc-mill")[1] == ()


@pytest.mark.parametrize(
    "edit",
    [
        without("swp1"),
        sub("^auto swp1", "#"),
        sub("^iface swp1", r"\g<0>\n    link-down yes"),
        sub("^    address 192.168.252.34/31", "    address 192.168.252.80/31"),
        sub("^    address 192.168.252.34/31", r"\g<0>\n    mtu 9000"),
        sub("^ ip ospf dead-interval 4", " ip ospf dead-interval 8"),
        sub("^ ip ospf hello-interval 1", " ip ospf hello-interval 2"),
        sub("^ ip ospf network point-to-point", " ip ospf network broadcast"),
        sub("^ ip ospf authentication message-digest\n", ""),
        sub(r"(?<=^interface swp1\n) ip ospf area 7", " ip ospf area 8"),
        sub(r"(?<=^interface swp1\n) ip ospf area 7", r"\g<0>\n ip ospf passive"),
        sub(r"(?<=^interface swp1\n) ip ospf area 7", r"\g<0>\n shutdown"),
        sub("^router ospf\n", r"\g<0> passive-interface default\n"),
        sub("^router ospf\n( .*\n)+", ""),
        key("swp1"),
        sub(".*ip protocol ospf iifname.*\n", ""),
    ],
)
@pytest.mark.parametrize("scope", [(), ("acc-ferry",)], ids=["far end known", "far end not in the plan"])
def test_each_thing_that_ends_a_line_ends_the_only_line(edit: Edit, scope: tuple[str, ...]) -> None:
    (problem,) = refused({"acc-ferry": edit}, "acc-ferry", scope=scope)
    assert "acc-ferry--ring-l" in problem.why


@pytest.mark.parametrize(
    "edit",
    [
        sub("^ ip ospf cost 10", " ip ospf cost 11"),
        sub("^    alias .*", "    alias the mainland"),
        sub(r"(?<=^interface swp1\n) ip ospf area 7", " ip ospf area 0.0.0.7"),
        sub("^ ip ospf retransmit-interval 1", " ip ospf retransmit-interval 3"),
        BANNER,
    ],
)
def test_what_ends_no_line_is_let_through(edit: Edit) -> None:
    assert plan({"acc-ferry": edit}, "acc-ferry") == ((("acc-ferry",),), ())


# ---- several devices ---------------------------------------------------------------------------------------


def test_a_new_key_on_one_of_two_lines_may_come_at_both_ends() -> None:
    edits = {"acc-clinic": key("swp2"), "ring-l": key("swp4")}
    assert plan(edits, "acc-clinic", "ring-l")[0] == (("acc-clinic",), ("ring-l",))


def test_a_new_key_everywhere_is_refused_for_every_device_that_it_strands() -> None:
    def everywhere(text: str) -> str:
        return sub("message-digest-key 1 md5 .*", "message-digest-key 1 md5 other")(text)

    problems = refused(dict.fromkeys(NOW, everywhere), " ".join(NOW))
    assert {problem.where for problem in problems} == set(NOW)


def test_the_key_of_an_aggregation_device_alone_is_refused() -> None:
    (problem,) = refused({"ring-l": sub("message-digest-key 1 md5 .*", "message-digest-key 1 md5 other")}, "ring-l")
    assert problem.where == "ring-l"
    assert "hub--ring-l" in problem.why
    assert "ring-l" in problem.why.rpartition(": ")[2]


def no_transit(text: str) -> str:
    return (
        sub(
            r"^\t\tiifname \{ .* \} oifname \{ .* \} accept\n",
            "",
        )(text)
        if "chain forward {" in text and "br" in text
        else text
    )


def islands() -> Mapping[str, str]:
    """ring-n has two lines that work, and a third that the hub keeps down; access switches pass nothing on."""
    now = {device: no_transit(text) if device.startswith("acc-") else text for device, text in NOW.items()}
    return now | {"hub": without("swp1")(now["hub"])}


def test_an_order_is_found_if_there_is_one_and_it_is_said_why() -> None:
    """ring-s and cave-gw give their lines to ring-n up: one of them may, both only once the hub's is back."""
    edits: dict[str, Edit] = {
        "cave-gw": without("swp7"),
        "ring-s": without("swp2"),
        "hub": lambda _: NOW["hub"],
        "ring-n": BANNER,
    }
    waves, notes = plan(edits, "cave-gw", "ring-n ring-s", "hub", now=islands())
    order = [device for wave in waves for device in wave]
    assert sorted(order) == ["cave-gw", "hub", "ring-n", "ring-s"]
    assert order.index("hub") < max(order.index("ring-s"), order.index("cave-gw"))
    assert waves[0] == ("ring-n",)
    assert notes[0].startswith("not simply far to near: ")
    assert "ring-n--ring-s" in notes[0]


def test_waves_that_were_made_for_more_devices_are_looked_at_again() -> None:
    now = islands()
    texts = {device: (now[device], now[device]) for device in now}
    texts |= {"cave-gw": (now["cave-gw"], without("swp7")(now["cave-gw"])), "hub": (now["hub"], NOW["hub"])}
    texts |= {
        "ring-s": (now["ring-s"], without("swp2")(now["ring-s"])),
        "ring-n": (now["ring-n"], BANNER(now["ring-n"])),
    }
    demand(LINWU, "warden", texts, (("ring-n",), ("hub",), ("ring-s",), ("cave-gw",)))
    for waves in ((("ring-n",), ("ring-s",), ("cave-gw",)), (("cave-gw",), ("ring-n", "ring-s"), ("hub",))):
        with pytest.raises(Problems, match="would cut warden off"):
            demand(LINWU, "warden", texts, waves)
    demand(LINWU, "warden", texts, ())


def test_without_an_order_the_step_that_cuts_is_told() -> None:
    edits = {"cave-gw": without("swp7"), "ring-s": without("swp2"), "ring-n": BANNER}
    (problem,) = refused(edits, "cave-gw", "ring-n ring-s", now=islands())
    assert problem.where == "ring-s"
    assert "with cave-gw armed before it" in problem.why
    assert "ring-n" in problem.why.rpartition(": ")[2]


def test_the_other_controller_is_named_where_it_could_do_it() -> None:
    edits = {"hub": sub(r"^ip route 192.168.251.14/32 .*\n", "")}
    (problem,) = refused(edits, "hub")
    assert problem.hint.endswith("or carry it out on warden-b")
    assert plan(edits, "hub", by="warden-b") == ((("hub",),), ())


@pytest.mark.parametrize(
    "edit",
    [
        sub(r"^ip route 192.168.251.14/32 .*\n", ""),
        sub("^ redistribute static .*\n", ""),
        sub("^route-map statics permit .*\n(?: .*\n)+", ""),
        sub("^    address 192.168.252.44/31", "    address 192.168.252.90/31"),
    ],
)
def test_the_controllers_own_line_counts(edit: Edit) -> None:
    (problem,) = refused({"hub": edit}, "hub")
    assert problem.where == "hub"


def test_what_cannot_be_read_is_not_judged() -> None:
    texts = dict.fromkeys(NOW, ("hostname a\n", "hostname b\n"))
    waves = (tuple(NOW),)
    assert ordered(LINWU, "warden", texts, waves) == (waves, ())
