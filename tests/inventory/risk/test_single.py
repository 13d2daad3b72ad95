"""What is expected was read off the districts' folders by hand, or is found by another search."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest
from render import district as big_district

from inventory import load
from inventory.addressing import allocate
from inventory.check import resilience
from inventory.links import access_id
from inventory.model import District, Link, Unit
from inventory.network import Network
from inventory.risk.found import Known, added, risks
from inventory.risk.risk import Risk, rank
from inventory.risk.single import single_points

ROOT = Path(__file__).parents[3]
FOLDERS = {"suxian": ROOT / "inventory" / "suxian", "linwu": ROOT / "tests" / "districts" / "linwu"}


@cache
def network(name: str) -> Network:
    return load.network(FOLDERS[name])


@cache
def found(name: str) -> tuple[Risk, ...]:
    return tuple(single_points(network(name)))


def of(written: District) -> Network:
    return Network.of(written, allocate(written))


def risk(name: str, subject: str, effect: str, tier: int) -> Risk:
    fitting = [r for r in found(name) if (r.subject, r.effect, r.tier) == (subject, effect, tier)]
    assert len(fitting) == 1, fitting
    return fitting[0]


@pytest.mark.parametrize(
    ("subject", "effect", "tier", "units", "mend"),
    [
        # The hall has one core, and its only services host hangs on it.
        ("hub", "failover", 1, 8, "a second device at site hall with lines of its own, and store linked to it"),
        ("store", "failover", 1, 8, "a second services host at site hall"),
        ("hub--store", "failover", 1, 8, "one more line: store – hub"),
        # The ferry's only line; nobody moves a service because of it. It may use tier 3 alone.
        ("acc-ferry--ring-l", "outage", 3, 1, "one more line: acc-ferry – ring-n"),
        # Without the hall, treasury and mill are left with their lines to ring-n.
        ("ring-n", "exposed", 1, 2, "2 more lines: acc-mill – ring-s, acc-treasury – ring-s"),
        # The cave has two lines, to ring-n and to ring-l; its only router is the risk.
        ("cave-gw", "exposed", 1, 8, "a second device at site cave with lines of its own, and store-b linked to it"),
    ],
)
def test_what_a_small_county_depends_on(subject: str, effect: str, tier: int, units: int, mend: str) -> None:
    one = risk("linwu", subject, effect, tier)
    assert (len(one.units), one.mend.en) == (units, mend)


def test_two_lines_to_the_dr_site_from_two_buildings_are_one_once_the_server_room_is_lost() -> None:
    one = risk("suxian", "agg-dpc--dr-1", "exposed", 1)
    assert len(one.units) == len(network("suxian").units)
    assert one.lines == (("agg-gac", "dr-1"),)
    assert not [r for r in found("suxian") if r.subject == "core-1--dr-1"]


def test_the_copies_go_to_the_dr_site_by_two_ways_until_one_is_taken_out() -> None:
    def unsaved(of_network: Network) -> dict[str, tuple[tuple[str, str], ...]]:
        return {r.subject: r.lines for r in single_points(of_network) if r.effect == "unsaved"}

    # There, the DR site's only router and the line to its host are all there is.
    assert set(unsaved(network("suxian"))) == {"dr-1", "dr-1--srv-dr"}
    written = network("suxian").district
    links = tuple(link for link in written.links if set(link.ends) != {"core-1", "dr-1"})
    left = unsaved(of(written.model_copy(update={"links": links})))
    assert set(left) == {"dr-1", "dr-1--srv-dr", "agg-dpc", "dpc", "agg-dpc--dr-1"}
    assert left["agg-dpc--dr-1"] == (("dr-1", "agg-gac"),)


def test_neither_core_of_two_is_a_single_point() -> None:
    assert not [r for r in found("suxian") if r.subject.startswith("core-")]


def test_a_unit_loses_what_it_may_use_and_nothing_else() -> None:
    one = risk("linwu", "acc-ferry", "outage", 3)
    assert one.units == {"ferry": ("notices",)}


@pytest.mark.parametrize("name", FOLDERS)
def test_outages_of_devices_and_sites_are_those_that_another_search_finds(name: str) -> None:
    written = network(name).district
    graph = resilience._graph(written)
    starts = {host.id for host in written.hosts if host.role == "services"}
    whole = resilience._reached(written, graph, starts, frozenset())
    wanted = set()
    for subject in (*(d.id for d in written.devices), *(s.id for s in written.sites)):
        lost = {subject, *(node.id for node in network(name).at_site(subject))}
        left = resilience._reached(written, graph, starts, frozenset(lost))
        wanted |= {(subject, unit.id) for unit in written.units if access_id(unit.id) in whole - left}
    outages = [r for r in found(name) if r.effect == "outage" and not r.own and r.tier < 4]
    assert {(r.subject, unit) for r in outages for unit in r.units} == wanted


def with_line(written: District, ends: tuple[str, str]) -> District:
    """Return the district with one more line, entered where its kind of line is."""
    for near, far in (ends, ends[::-1]):
        for unit in written.units:
            if access_id(unit.id) == near:
                more = unit.model_copy(update={"uplinks": (*unit.uplinks, far)})
                return written.model_copy(update={"units": swapped(written.units, unit, more)})
        if near in {host.id for host in written.hosts}:
            hosts = [
                host.model_copy(update={"uplinks": (*host.uplinks, far)}) if host.id == near else host
                for host in written.hosts
            ]
            return written.model_copy(update={"hosts": tuple(hosts)})
        if near == written.uplink.id:
            peer = written.uplink.peers[0].model_copy(update={"device": far})
            peers = (*written.uplink.peers, peer)
            return written.model_copy(update={"uplink": written.uplink.model_copy(update={"peers": peers})})
    return written.model_copy(update={"links": (*written.links, Link(ends=ends))})


def swapped(units: tuple[Unit, ...], old: Unit, new: Unit) -> tuple[Unit, ...]:
    return tuple(new if unit is old else unit for unit in units)


def lines(name: str) -> list[Risk]:
    """Return the risks whose mend is new lines that do not lie beside ones that are there."""
    names = {wire.name for wire in network(name).wires}
    return [r for r in found(name) if r.lines and not {"--".join(sorted(ends)) for ends in r.lines} & names]


@pytest.mark.parametrize("name", FOLDERS)
def test_every_line_that_is_proposed_mends_what_it_is_proposed_for(name: str) -> None:
    proposed = lines(name)
    assert len(proposed) > 10
    # Of the units' own lines, one of each kind stands for all.
    for one in {(r.rule, r.effect) if r.own else r.lines: r for r in proposed}.values():
        written = network(name).district
        for ends in one.lines:
            written = with_line(written, ends)
        left = {r.key for r in single_points(of(written))}
        assert one.key not in left, f"{one.key}: {one.mend.en}"


def test_a_line_taken_away_is_told_with_whom_it_hits() -> None:
    before = network("linwu")
    links = tuple(link for link in before.district.links if set(link.ends) != {"cave-gw", "ring-l"})
    after = of(before.district.model_copy(update={"links": links}))
    new = {(r.subject, r.effect) for r in added(before, after) if r.tier == 1}
    # Without the hall the cave now hangs on ring-n alone, and what is behind it comes one after the other.
    exposed = ("cave-gw--ring-n", "ring-n", "north", "ring-n--ring-s", "ring-s", "south")
    # With the hall, too, all copies go by ring-n.
    unsaved = ("cave-gw--ring-n", "ring-n", "north")
    assert new == {(s, "exposed") for s in exposed} | {(s, "unsaved") for s in unsaved}
    assert added(before, before) == ()


def test_only_the_units_it_is_new_for_are_told() -> None:
    before = network("linwu")
    links = tuple(link for link in before.district.links if set(link.ends) != {"cave-gw", "ring-l"})
    after = of(before.district.model_copy(update={"links": links}))
    ring = next(r for r in added(before, after) if (r.subject, r.effect, r.tier) == ("ring-n", "exposed", 1))
    # Treasury and mill depended on it already.
    assert set(ring.units) == set(before.units) - {"treasury", "mill"}


def test_a_new_unit_with_two_lines_adds_no_risk_but_one_with_a_single_line_to_a_site_does() -> None:
    before = network("linwu")
    like = before.units["market"]
    two = like.model_copy(update={"id": "mint"})
    one = like.model_copy(update={"id": "mint", "uplinks": ("ring-l",), "single_uplink": "a rock"})

    def new(unit: Unit) -> set[tuple[str, str]]:
        after = of(before.district.model_copy(update={"units": (*before.district.units, unit)}))
        return {(r.subject, r.effect) for r in added(before, after)}

    assert new(two) == set()
    assert {("ring-l", "outage"), ("lake", "outage")} <= new(one)


def test_the_most_important_tier_comes_first_then_the_most_units() -> None:
    ranked = risks(network("suxian"), Known(0.0))
    assert [rank(r) for r in ranked] == sorted(rank(r) for r in ranked)
    assert [r.tier for r in ranked] == sorted(r.tier for r in ranked)
    assert len(ranked[0].units) == 36


def test_a_thousand_units_take_seconds() -> None:
    many = of(big_district(1100))
    assert len(many.units) > 1000
    # Of this thread: how busy the machine is with other things is not its affair.
    begun = time.thread_time()
    assert len(risks(many, Known(0.0))) > 1000
    assert time.thread_time() - begun < 20
