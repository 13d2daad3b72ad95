"""How the home hosts come to note the DR host's ledger: a controller carries what it tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import acts, anchors, remote, work
from backup.acts import Options
from backup.duty import book_of
from backup.ledger import Ledger
from backup.machine import Machine
from backup.postgres import Cluster
from backup.remote import Hosts
from backup.report import JobReport, dump
from backup.repository import Layout
from backup.testing import FakeShell, when
from inventory import load
from inventory.network import Network
from netdr.kernel.errors import BackupError, ProofError, UnreachableError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


@pytest.fixture
def machine(tmp_path: Path, network: Network) -> Machine:
    shell = FakeShell([])
    return Machine(
        book_of(network, "store"), Layout.under(tmp_path), shell, lambda: Cluster(shell, Path("/x")), lambda: NOON
    )


def note(machine: Machine, words: str) -> JobReport:
    duties = machine.book.select(["registry"])
    act = acts.acts(Options(note=words))["witness"]
    return work.do(machine, "witness", duties, act, lambda _: None)[0]


def test_a_note_is_kept_and_a_shorter_one_is_refused(tmp_path: Path, machine: Machine) -> None:
    there = Ledger(tmp_path / "there")
    assert anchors.told(there, "store-b", NOON) == {}
    first = anchors.told(_grown(there), "store-b", NOON)
    second = json.dumps(dict(anchors.told(_grown(there), "store-b", NOON)))
    assert note(machine, second).facts == {"new": True}
    assert note(machine, second).facts == {"new": False}
    report = note(machine, json.dumps(dict(first)))
    assert [problem.what for problem in report.problems] == ["the ledger of store-b was shortened"]
    (line,) = machine.ledger("registry").lines()
    assert (line.kind, line.facts["number"], line.facts["head"]) == ("anchor", "2", there.lines()[1].hash)


@pytest.mark.parametrize("words", ["", "[]", "{}", '{"host":"x","number":"one","head":"","as_of":"2026-11-23"}'])
def test_what_is_no_note(machine: Machine, words: str) -> None:
    assert note(machine, words).problems[0].what == "this is no note on a ledger"


def told(**ledger: str) -> tuple[JobReport, ...]:
    facts: dict[str, object] = {"ledger": ledger}
    return (
        JobReport("registry", "store-b", "verify", 1, {}, facts),
        JobReport("notices", "store-b", "verify", 1, {}, {}),
    )


def test_a_controller_carries_the_note_home(network: Network) -> None:
    answer = dump((JobReport("registry", "store", "witness", 0.1, {}, {"new": True}),))
    store = FakeShell([when("witness", out=answer)])
    assert remote.witness(Hosts(network, {"store": store}.__getitem__), told(host="store-b", number="7")) == ()
    (argv,) = store.calls
    assert argv[1:5] == ("backup", "witness", "registry", "--here")
    assert json.loads(argv[argv.index("--note") + 1]) == {"host": "store-b", "number": "7"}


def test_a_contradiction_is_told_and_a_dead_home_site_is_not(network: Network) -> None:
    shortened = ProofError("the ledger of store-b was shortened")
    answer = dump((JobReport("registry", "store", "witness", 0.1, {}, {}, (shortened,)),))
    store = FakeShell([when("witness", out=answer)])
    (failed,) = remote.witness(Hosts(network, {"store": store}.__getitem__), told(host="store-b"))
    assert str(failed.problems[0]) == str(shortened)

    def dead(_name: str) -> FakeShell:
        raise UnreachableError("the host does not answer ssh")

    assert remote.witness(Hosts(network, dead), told(host="store-b")) == ()


def _grown(ledger: Ledger) -> Ledger:
    ledger.add("copy", NOON, {"id": "x"})
    return ledger


def test_a_damaged_ledger_tells_nothing(tmp_path: Path) -> None:
    ledger = _grown(Ledger(tmp_path / "l"))
    ledger.path.write_text(ledger.text().replace('"x"', '"y"'))
    with pytest.raises(BackupError, match="the ledger is broken"):
        anchors.told(ledger, "store-b", NOON)
