"""Copies, proofs, pairs, keys and people: each found where it is missing, and not where it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from inventory import load
from inventory.asset import Copy, Devices, Postgres
from inventory.model import District, Recovery, Signer
from inventory.network import Network
from inventory.risk.pairs import pairs
from inventory.risk.people import Escrow, people
from inventory.risk.protection import protection
from inventory.risk.rehearsal import Rehearsed, rehearsal
from inventory.risk.standing import standing
from netdr.kernel.errors import BackupError, ProofError

ROOT = Path(__file__).parents[3]
NOW = 1_800_000_000.0
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@pytest.fixture(scope="module")
def suxian() -> Network:
    return load.network(ROOT / "inventory" / "suxian")


def changed(network: Network, **fields: object) -> Network:
    written = network.district.model_copy(update=fields)
    return Network(written, network.nodes, network.wires, network.nets, network.services)


def settings(network: Network, **fields: object) -> Network:
    return changed(network, settings=network.district.settings.model_copy(update=fields))


def signers(count: int) -> tuple[Signer, ...]:
    return tuple(Signer(id=f"signer-{number}", name="somebody", keys=(KEY,)) for number in range(count))


def rules(network: Network, escrow: Escrow | None = None) -> set[str]:
    return {risk.rule for risk in people(network, escrow)}


def test_nobody_named_is_a_risk_to_every_unit(suxian: Network) -> None:
    found = {risk.rule: risk for risk in people(suxian, None)}
    assert set(found) == {"no-decider", "no-signer", "no-escrow", "few-custodians"}
    assert all(set(risk.units) == set(suxian.units) and risk.tier == 1 for risk in found.values())


def test_enough_people_and_shares_are_no_risk(suxian: Network) -> None:
    recovery = Recovery(deciders=("one", "two"), custodians=("a", "b", "c", "d"))
    approval = suxian.district.settings.approval.model_copy(update={"required": 1, "signers": signers(2)})
    assert rules(settings(suxian, recovery=recovery, approval=approval), Escrow(3, 5)) == set()


def test_one_person_or_every_person_is_a_risk(suxian: Network) -> None:
    recovery = Recovery(deciders=("one",), custodians=("a", "b", "c"))
    approval = suxian.district.settings.approval.model_copy(update={"required": 2, "signers": signers(2)})
    found = rules(settings(suxian, recovery=recovery, approval=approval), Escrow(3, 3))
    assert found == {"one-decider", "every-signer", "every-share", "few-custodians"}


def policies(district: District, **fields: object) -> dict[str, object]:
    return {"protections": tuple(policy.model_copy(update=fields) for policy in district.protections)}


def told(network: Network) -> set[tuple[str, str]]:
    return {(risk.subject, risk.rule) for risk in protection(network)}


def test_the_example_leaves_only_the_portals_loss_unmeasured(suxian: Network) -> None:
    assert told(suxian) == {("portal", "no-canary")}


def test_what_a_policy_leaves_open_is_told_of_every_service(suxian: Network) -> None:
    home = (Copy(at="home", media="disk"), Copy(at="standby", media="disk"))
    proof = suxian.district.protections[0].proof.model_copy(update={"depth": "v2"})
    found = told(changed(suxian, **policies(suxian.district, copies=home, stream=False, proof=proof, drill=None)))
    services = {service.id for service in suxian.district.services}
    assert {name for name, rule in found if rule == "few-copies"} >= services
    assert {name for name, rule in found if rule == "shallow-proof"} == services
    assert {name for name, rule in found if rule == "no-drill"} == services
    assert {name for name, rule in found if rule == "not-streamed"} == {"approval", "emergency"}


def test_a_service_that_nobody_asks_and_devices_that_nobody_saves(suxian: Network) -> None:
    credit = next(service for service in suxian.district.services if service.id == "credit")
    silent = credit.model_copy(update={"data": (Postgres(kind="postgresql", database="credit"),)})
    others = tuple(service for service in suxian.district.services if service is not credit)
    assets = tuple(asset for asset in suxian.district.assets if not isinstance(asset.data[0], Devices))
    found = told(changed(suxian, services=(*others, silent), assets=assets))
    assert {("credit", "no-question"), ("credit", "no-canary"), ("devices", "not-saved")} <= found


def test_border_and_cores_are_wanted_in_pairs(suxian: Network) -> None:
    assert list(pairs(suxian)) == []
    uplink = suxian.district.uplink
    devices = tuple(device for device in suxian.district.devices if device.id != "core-2")
    alone = changed(suxian, uplink=uplink.model_copy(update={"peers": uplink.peers[:1]}), devices=devices)
    assert {(risk.rule, risk.subject, risk.clause) for risk in pairs(alone)} == {
        ("one-border", "city", "L3-CES1-31"),
        ("one-core", "server-room", "L3-CES1-31"),
    }


def rehearsed(network: Network, known: dict[str, Rehearsed]) -> set[tuple[str, str]]:
    return {(risk.subject, risk.rule) for risk in rehearsal(network, known, NOW)}


def test_a_service_is_brought_back_often_enough_and_well_enough(suxian: Network) -> None:
    # approval is drilled every 30 days, the services of tiers 2 and 3 every 90.
    days = {"approval": 31, "exchange": 31, "portal": 91, "credit": 1}
    known = {name: Rehearsed(NOW - count * 86400, kept=name != "credit") for name, count in days.items()}
    assert rehearsed(suxian, known) == {
        ("approval", "rehearsal-overdue"),
        ("portal", "rehearsal-overdue"),
        ("credit", "promise-broken"),
        ("emergency", "never-rehearsed"),
    }
    assert rehearsed(suxian, {}) == {("recovery", "never-rehearsed")}


def test_what_the_hosts_say_of_the_backups_is_a_risk_to_those_that_use_them(suxian: Network) -> None:
    old = BackupError("the newest copy is 9 h old", where="srv-dr", hint="netdr backup copy credit")
    late = ProofError("the last proof is 40 d old")
    found = {risk.subject: risk for risk in standing(suxian, {"credit": (old, late), "portal": (late,), "netdr": ()})}
    assert {name: (risk.effect, risk.tier) for name, risk in found.items()} == {
        "credit": ("unsaved", 3),
        "portal": ("unproven", 2),
    }
    assert found["credit"].what.en == "credit: srv-dr: the newest copy is 9 h old (and 1 more)"
    assert found["credit"].mend.en == "netdr backup copy credit"


def test_the_example_in_the_manual_can_be_written_in_an_inventory() -> None:
    text = (ROOT / "docs" / "risk.md").read_text(encoding="utf-8")
    block = text.partition("```yaml\n")[2].partition("```")[0]
    written = Recovery.model_validate_json(json.dumps(yaml.safe_load(block)["recovery"]))
    assert (len(written.deciders), len(written.custodians), written.elements["network"]) == (2, 5, 5)
