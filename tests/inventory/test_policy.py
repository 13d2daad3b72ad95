"""Verdicts are written by hand from the districts' policy.yaml."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from inventory import load
from inventory.model import Destination, Rule, Source, Zone
from inventory.network import Network
from inventory.policy import Matrix, announced, expected, external_address

ROOT = Path(__file__).parents[2]
FOLDERS = {"suxian": ROOT / "inventory" / "suxian", "linwu": ROOT / "tests" / "districts" / "linwu"}


@cache
def network(name: str) -> Network:
    return load.network(FOLDERS[name])


@cache
def matrix(name: str) -> Matrix:
    return expected(network(name))


def changed(name: str, **fields: object) -> Network:
    """Return the network with some of its district's fields replaced."""
    found = network(name)
    return Network(found.district.model_copy(update=fields), found.nodes, found.wires, found.nets, found.services)


def outside(name: str, prefix: str) -> Zone:
    return Zone.model_validate({"id": name, "kind": "external", "name": {"zh": "外", "en": "X"}, "prefixes": (prefix,)})


def rule(name: str, source: str, **to: object) -> Rule:
    return Rule(id=name, source=Source(zone=source), to=Destination.model_validate(to))


@pytest.mark.parametrize(
    ("district", "cell", "by"),
    [
        # Bureaus use every service, sub-districts all but credit, townships neither credit nor exchange.
        ("suxian", "host-drc>credit:tcp/80", "bureaus-to-services"),
        ("suxian", "host-finance>credit:tcp/80", "bureaus-to-services"),
        ("suxian", "host-suxianling>exchange:tcp/80", "subdistricts-to-services"),
        ("suxian", "host-suxianling>credit:tcp/80", ""),
        ("suxian", "host-bailudong>approval:tcp/80", "townships-to-services"),
        ("suxian", "host-bailudong>exchange:tcp/80", ""),
        # Only the portal publishes echo; no service publishes its database or its login.
        ("suxian", "host-drc>portal:icmp", "bureaus-to-services"),
        ("suxian", "host-drc>approval:icmp", ""),
        ("suxian", "host-drc>approval:tcp/5432", ""),
        ("suxian", "host-drc>portal:tcp/22", ""),
        # A private network reaches the exchange and nothing else, its own unit's public network included.
        ("suxian", "host-finance-v20>exchange:tcp/80", "private-to-exchange"),
        ("suxian", "host-finance-v20>portal:tcp/80", ""),
        ("suxian", "host-finance-v20>host-finance:tcp/80", ""),
        ("suxian", "host-finance>host-finance-v20:icmp", ""),
        ("suxian", "host-finance-v20>city:tcp/443", ""),
        # Sub-districts have the internet, townships and bureaus with a private network have not.
        ("suxian", "host-drc>internet:tcp/443", "offices-to-internet"),
        ("suxian", "host-suxianling>internet:tcp/80", "offices-to-internet"),
        ("suxian", "host-bailudong>internet:tcp/443", ""),
        ("suxian", "host-finance>internet:tcp/443", ""),
        ("suxian", "host-drc>internet:icmp", ""),
        ("suxian", "host-finance>city:tcp/80", "bureaus-to-city"),
        ("suxian", "host-bailudong>city:tcp/443", "townships-to-city"),
        ("suxian", "host-bailudong>city:tcp/80", ""),
        # Nobody manages devices or controllers from a desk.
        ("suxian", "host-drc>acc-drc:tcp/22", ""),
        ("suxian", "host-drc>acc-drc:udp/161", ""),
        ("suxian", "host-drc>ctl-1:tcp/22", ""),
        ("linwu", "host-ferry>notices:tcp/80", "all-read-notices"),
        ("linwu", "host-ferry>registry:tcp/80", ""),
        ("linwu", "host-mill>world:udp/443", "plain-to-world"),
        ("linwu", "host-archive>world:tcp/80", ""),
        ("linwu", "host-archive>prefecture:tcp/80", "offices-to-prefecture"),
        ("linwu", "host-treasury-v32>host-archive-v32:tcp/443", "ledgers-meet"),
        ("linwu", "host-treasury-v32>host-archive-v32:icmp", ""),
        ("linwu", "host-treasury-v32>notices:tcp/80", ""),
    ],
)
def test_the_verdict_is_the_policys(district: str, cell: str, by: str) -> None:
    found = {entry.id: entry for entry in matrix(district).cells}[cell]
    assert (found.verdict, found.rule) == ("permit" if by else "deny", by)


@pytest.mark.parametrize("district", FOLDERS)
def test_every_user_network_tries_every_service_and_every_zone(district: str) -> None:
    here = network(district)
    assert len(matrix(district).by_source) == len(here.nets)
    externals = {zone.id for zone in here.district.zones if zone.kind == "external"}
    for cells in matrix(district).by_source.values():
        assert set(here.services) | externals <= {cell.destination for cell in cells}
    assert len({cell.id for cell in matrix(district).cells}) == len(matrix(district).cells)


@pytest.mark.parametrize("district", FOLDERS)
def test_every_pair_of_zones_and_classes_is_tried(district: str) -> None:
    here = network(district)
    kinds = {}
    for name, zone, unit in ((f"host-{n.unit}", n.vlan.zone, n.unit) for n in here.nets):
        host = name if zone == here.units[unit].vlans[0].zone else f"{name}-v{here.units[unit].vlans[1].id}"
        kinds[host] = (zone, here.units[unit].user_class)
    tried = {(kinds[c.source], kinds[c.destination]) for c in matrix(district).cells if c.destination in kinds}
    # The only network of its zone and class has no other of its kind to try.
    alone = {kind for kind in kinds.values() if list(kinds.values()).count(kind) == 1}
    assert tried >= {(a, b) for a in kinds.values() for b in kinds.values()} - {(kind, kind) for kind in alone}


@pytest.mark.parametrize("district", FOLDERS)
def test_every_rule_permits_something(district: str) -> None:
    assert {cell.rule for cell in matrix(district).cells} == {"", *(r.id for r in network(district).district.rules)}


def test_the_address_that_stands_for_a_zone() -> None:
    assert external_address(network("suxian"), "city") == IPv4Address("172.20.0.1")
    assert external_address(network("suxian"), "internet") == IPv4Address("192.0.2.1")
    assert external_address(network("linwu"), "prefecture") == IPv4Address("198.51.100.1")


def test_the_address_is_neither_the_districts_nor_a_narrower_zones() -> None:
    zones = [zone for zone in network("suxian").district.zones if zone.kind == "user"]
    wide, narrow = outside("wide", "10.64.0.0/13"), outside("narrow", "10.64.1.0/24")
    here = changed("suxian", zones=(*zones, wide, narrow))
    # 10.64.0.0/24 are the services, 10.64.1.0/24 is the narrow zone.
    assert external_address(here, "wide") == IPv4Address("10.64.2.1")


def test_only_zones_that_a_rule_connects_with_the_outside_are_announced() -> None:
    here = network("suxian")
    assert announced(here) == (IPv4Network("10.65.0.0/16"),)
    inbound = rule("city-to-exchange", "city", services=("exchange",))
    assert announced(changed("suxian", rules=(*here.district.rules, inbound))) == (
        IPv4Network("10.64.0.0/24"),
        IPv4Network("10.65.0.0/16"),
    )
    assert announced(changed("suxian", rules=())) == ()
