"""The journal at another controller: a real process takes the entries, and may die or never answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from netdr.kernel.errors import NetdrError, UsageError
from nornir_tasks import replica
from nornir_tasks.engine import Engine
from nornir_tasks.journal import Journal, Transaction
from nornir_tasks.replica import Peer, Replicas
from nornir_tasks.steps import Options
from nornir_tasks.testing import CANARY, Rig

RECEIVE = "from netdr.cli import main; main(['--state', sys.argv[1], 'journal', 'receive', 'warden'])"
DIES = "import sys; print('ready', flush=True); sys.stdin.readline(); print('the disk is full', flush=True)"


def receiver(state: Path) -> Peer:
    """Return a peer that keeps what it is sent below ``state``: what ssh would start, without the ssh."""
    return Peer("warden-b", (sys.executable, "-c", f"import sys; {RECEIVE}", str(state)))


@contextmanager
def engine(rig: Rig, *peers: Peer) -> Iterator[Engine]:
    yield replace(rig.engine, peers=peers)


def rows(path: Path) -> tuple[tuple[Transaction, ...], list[object]]:
    with closing(Journal(path)) as journal:
        return journal.latest(9), [journal.steps(transaction.id) for transaction in journal.latest(9)]


def test_the_copy_is_the_journal(rig: Rig, tmp_path: Path) -> None:
    with engine(rig, receiver(tmp_path / "there")) as devices:
        report = devices.deploy(devices.plan_change(), Options(ticket="CHG-9", clock=rig.devices.clock))
    assert (report.result, report.notes) == ("done", ())
    (copy,) = replica.kept(tmp_path / "there")
    assert copy.name == "warden.sqlite"
    assert rows(copy) == rows(replica.own(tmp_path))
    (transaction,), _ = rows(copy)
    assert (transaction.ticket, transaction.outcome) == ("CHG-9", "done")
    assert CANARY.encode() not in copy.read_bytes() + transaction.texts
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("program", "why"),
    [("raise SystemExit", "does not answer ssh"), (DIES, "the disk is full")],
    ids=["nobody there", "dies at work"],
)
def test_a_peer_that_is_lost_is_told_and_stops_nothing(rig: Rig, program: str, why: str) -> None:
    with engine(rig, Peer("warden-b", (sys.executable, "-c", program))) as devices:
        report = devices.deploy(devices.plan_change(), Options(clock=rig.devices.clock))
    assert report.result == "done"
    assert [why in note for note in report.notes] == [True]
    assert dict(rig.devices.running()) == rig.new


def test_a_peer_that_does_not_answer_is_waited_for_a_while_only() -> None:
    mute = Peer("warden-b", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    with closing(Replicas([mute], connect=0.3)) as replicas:
        replicas.send({"kind": "close"})
        replicas.settled()
        assert replicas.lost == ("warden-b has no copy of the journal: no answer in time",)


def test_a_wrong_entry_is_refused_and_named(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(NetdrError, match="not an entry"):
        replica.receive(tmp_path, "warden", iter([json.dumps({"kind": "drop"})]), said.append)
    assert said[0] == "ready"
    assert "not an entry of a journal" in said[1]


@pytest.mark.parametrize("name", ["../x", "", "a b", "journal.sqlite"])
def test_a_sender_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a controller's name"):
        replica.receive(tmp_path, name, iter(()), print)
