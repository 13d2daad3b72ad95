"""A verifier that never went red proves nothing: every damage must be found, named, and gone when it is undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from backup.machine import Machine
from backup.mutation import table, trials
from backup.mutation.rows import ROWS
from backup.mutation.trials import Trial
from backup.report import Steps
from backup.testing import Pair
from netdr.kernel.errors import Problems

# What restic itself notices, measured with 0.14 and 0.19 (read-data and restore), and what only netdr does.
RED: Mapping[str, tuple[str, ...]] = {
    "byte of a data pack flipped": ("v1", "v2"),
    "byte of a tree pack flipped": ("v1", "v2"),
    "byte of a pack header flipped": ("v1",),
    "pack truncated": ("v1", "v2"),
    "pack deleted": ("v1", "v2"),
    "pack zeroed, same size": ("v1", "v2"),
    "index flipped": ("v1", "v2"),
    "config flipped": ("v1", "v2"),
    "key flipped": ("v1", "v2"),
    "snapshot flipped": ("v1", "v2"),
    "snapshot deleted": ("v1",),
    "snapshot replaced by an older one": ("v1", "v2"),
    "snapshot from the future": ("v1",),
    "line of the ledger removed": ("v1", "v2"),
    "manifest changed": ("v2",),
    "file changed after it was hashed": ("v2",),
    "dump emptied": ("v3",),
    "dump cut": ("v3",),
    "password lost": ("v1", "v2"),
}


@pytest.fixture(scope="module")
def found(saved: Pair) -> Mapping[str, Trial]:
    saved.good(saved.home, "run", "approval")
    before = contents(saved.standby)
    duty = saved.standby.book.duties["approval"]
    rows = trials.tried(saved.standby, duty, Steps("approval", lambda _line: None))
    assert contents(saved.standby) == before, "the original is as it was"
    print(table.text([one.as_dict() for one in rows]))  # noqa: T201 - shown when a test fails
    return {one.row: one for one in rows}


@pytest.mark.tools
@pytest.mark.parametrize("row", [row.name for row in ROWS])
def test_every_damage_is_found_and_named_and_gone_when_it_is_undone(found: Mapping[str, Trial], row: str) -> None:
    one = found[row]
    assert tuple(level for level, colour in one.levels.items() if colour == "red") == RED[row], one.words
    assert one.named, one.words
    assert one.again
    assert one.caught


def contents(machine: Machine) -> dict[str, bytes]:
    folder = machine.layout.repositories / "approval"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def trial(**changed: object) -> Trial:
    given = {
        "row": "pack deleted",
        "levels": {"v1": "red"},
        "words": "pack ab",
        "named": True,
        "again": True,
        **changed,
    }
    return Trial(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed", [{"levels": {"v1": "green", "v2": "green"}, "words": ""}, {"named": False}, {"again": False}]
)
def test_what_is_not_caught_is_a_problem(changed: Mapping[str, object]) -> None:
    assert not trial(**changed).caught
    (problem,) = trials.missed([trial(), trial(**changed)])
    assert "the verifier missed a damage: pack deleted" in str(problem)
    assert problem.exit_code == 10


def test_a_row_without_anything_to_damage_is_no_miss() -> None:
    assert trials.missed([Trial("dump cut", {}, applies=False)]) == ()


def test_the_table() -> None:
    rows = [trial().as_dict(), Trial("dump cut", {}, applies=False).as_dict(), trial(named=False).as_dict()]
    json.dumps(rows)
    lines = table.text(rows).splitlines()
    assert lines[0].split()[:4] == ["damage", "v1", "v2", "v3"]
    assert "there is nothing to damage" in lines[2]
    assert " NO " in lines[3]
    assert lines[-1] == "1 of 2 damages caught"


def test_every_row_is_in_the_table_of_expectations() -> None:
    assert RED.keys() == {row.name for row in ROWS}


@pytest.mark.tools
def test_nothing_is_tried_on_a_copy_that_is_damaged_already(broken: Machine) -> None:
    pack = max((broken.layout.repositories / "portal" / "data").glob("??/*"), key=lambda path: path.stat().st_size)
    pack.unlink()
    with pytest.raises(Problems, match="the copy is damaged already"):
        trials.run(broken, broken.book.duties["portal"], Steps("portal", lambda _line: None))
    assert Path(broken.layout.repositories).is_dir()
