from __future__ import annotations

import hashlib
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup.ledger import Ledger, last
from netdr.kernel.errors import BackupError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def filled(path: Path, count: int = 3) -> Ledger:
    ledger = Ledger(path / "approval.jsonl")
    for number in range(count):
        ledger.add("snapshot", NOON, {"id": f"{number:064x}", "as_of": NOON.isoformat()})
    return ledger


def test_an_empty_ledger(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none").lines() == ()
    assert Ledger(tmp_path / "none").text() == ""


def test_lines_come_back_in_order_and_chained(tmp_path: Path) -> None:
    lines = filled(tmp_path).lines()
    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[0].before == "0" * 64
    assert [line.before for line in lines[1:]] == [line.hash for line in lines[:-1]]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_character_breaks_the_chain(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    ledger = filled(tmp_path_factory.mktemp("ledger"))
    text = ledger.text()
    where = data.draw(st.integers(0, len(text) - 2).filter(lambda at: text[at] != "\n"))
    new = data.draw(st.sampled_from("0123456789abcdef").filter(lambda one: one != text[where]))
    ledger.path.write_text(text[:where] + new + text[where + 1 :])
    with pytest.raises(BackupError, match="the ledger is broken"):
        ledger.lines()


@pytest.mark.parametrize("number", [0, 1])
def test_a_removed_line_breaks_the_chain(tmp_path: Path, number: int) -> None:
    ledger = filled(tmp_path)
    rows = ledger.text().splitlines(keepends=True)
    del rows[number]
    ledger.path.write_text("".join(rows))
    with pytest.raises(BackupError, match="chain of hashes"):
        ledger.lines()
    # Adding reads the last line only; the break stays and is still found.
    ledger.add("snapshot", NOON, {"id": "x"})
    with pytest.raises(BackupError, match=f"approval.jsonl:{number + 1}: .*chain of hashes"):
        ledger.lines()


def test_nothing_is_added_after_a_damaged_last_line(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    ledger.path.write_text(ledger.text().replace('"number":3', '"number":4'))
    with pytest.raises(BackupError, match="last line: the ledger is broken"):
        ledger.add("snapshot", NOON, {"id": "x"})


def test_the_hash_is_sha256_over_the_bytes_before_it(tmp_path: Path) -> None:
    """So that anybody can check a line without netdr: cut off the hash, hash the rest."""
    row = filled(tmp_path, 1).text().rstrip("\n")
    body, _, digest = row.removesuffix('"}').rpartition(',"hash":"')
    assert hashlib.sha256(body.encode()).hexdigest() == digest


def test_adding_costs_the_same_however_long_the_ledger_is(tmp_path: Path) -> None:
    short, long = filled(tmp_path, 1), Ledger(tmp_path / "long.jsonl")
    long.extend("snapshot", ((NOON, {"id": f"{number:064x}"}) for number in range(20_000)))

    def cost(ledger: Ledger) -> float:
        start = time.perf_counter()
        ledger.add("copy", NOON, {"id": "x"})
        return time.perf_counter() - start

    ratios = sorted(cost(long) / cost(short) for _ in range(9))
    # Reading 20,000 lines takes some hundred times as long as adding one.
    assert ratios[4] < 10
    assert long.last() == long.lines()[-1]
    assert len(long.lines()) == 20_009


def test_a_last_line_longer_than_a_block(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 2)
    ledger.add("prune", NOON, {"ids": "f" * 100_000})
    assert ledger.add("copy", NOON, {"id": "x"}).number == 4
    assert [line.number for line in ledger.lines()] == [1, 2, 3, 4]


def test_half_a_line_was_never_acknowledged(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with ledger.path.open("a") as file:
        file.write('{"at":"2026-')
    assert len(ledger.lines()) == 3
    assert ledger.add("copy", NOON, {"id": "x"}).number == 4
    assert len(ledger.lines()) == 4


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "approval.jsonl")
    threads = [threading.Thread(target=lambda: filled(tmp_path, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.lines()) == 40


def test_the_last_of_a_kind(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    assert last(ledger.lines(), "proof") is None
    ledger.add("proof", NOON, {"result": "failed"})
    ledger.add("proof", NOON, {"result": "passed"})
    found = last(ledger.lines(), "proof")
    assert found is not None
    assert found.facts["result"] == "passed"
