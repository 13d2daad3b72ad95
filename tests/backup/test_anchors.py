"""Two ledgers that note each other: what is done to either is named, whoever recomputed its hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup import anchors
from backup.anchors import Told
from backup.gaps import gaps
from backup.ledger import Ledger, Line
from netdr.kernel.errors import BackupError, NetdrError, Problems

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def chain(path: Path, *ids: str) -> Ledger:
    ledger = Ledger(path)
    for at, one in enumerate(ids):
        ledger.add("snapshot", NOON + at * HOUR, {"id": one, "as_of": (NOON + at * HOUR).isoformat()})
    return ledger


def told(ledger: Ledger, at: int = 5) -> Told:
    return Told("srv-a", ledger.text(), NOON + at * HOUR)


@pytest.fixture
def home(tmp_path: Path) -> Ledger:
    return chain(tmp_path / "home", "a", "b", "c")


@pytest.fixture
def there(tmp_path: Path, home: Ledger) -> Ledger:
    ledger = Ledger(tmp_path / "there")
    assert anchors.learn(ledger, "srv-b", told(home), NOON) == 3
    return ledger


def problem(caught: pytest.ExceptionInfo[Problems]) -> NetdrError:
    (only,) = caught.value.problems
    return only


def test_what_was_learned_is_learned_once_and_anchored(home: Ledger, there: Ledger) -> None:
    lines = there.lines()
    assert [line.kind for line in lines] == ["snapshot"] * 3 + ["anchor"]
    assert lines[-1].facts["head"] == home.lines()[-1].hash
    assert anchors.learn(there, "srv-b", told(home), NOON) == 0
    assert len(there.lines()) == 4


def test_an_older_snapshot_comes_with_fewer_lines(tmp_path: Path, there: Ledger) -> None:
    assert anchors.learn(there, "srv-b", told(chain(tmp_path / "older", "a", "b"), 2), NOON) == 0


def test_a_shortened_ledger(tmp_path: Path, there: Ledger) -> None:
    with pytest.raises(Problems) as caught:
        anchors.learn(there, "srv-b", told(chain(tmp_path / "short", "a", "b"), 6), NOON)
    assert problem(caught).what == "the ledger of srv-a was shortened"
    assert "it has 2 lines, the other site has noted 3" in problem(caught).why
    assert len(there.lines()) == 4, "nothing was learned from it"


def test_a_rewritten_ledger(tmp_path: Path, there: Ledger) -> None:
    """Its own chain holds: whoever wrote it computed every hash anew."""
    with pytest.raises(Problems) as caught:
        anchors.learn(there, "srv-b", told(chain(tmp_path / "new", "a", "x", "c", "d"), 6), NOON)
    assert problem(caught).what == "the ledger of srv-a was rewritten"
    assert "line 3 " in problem(caught).why
    assert problem(caught).exit_code == 10


def test_a_changed_line_breaks_the_chain_itself(home: Ledger, there: Ledger) -> None:
    changed = Told("srv-a", home.text().replace('"id":"b"', '"id":"x"'), NOON)
    with pytest.raises(BackupError, match="the ledger of srv-a:2: the ledger is broken"):
        anchors.learn(there, "srv-b", changed, NOON)


def test_a_person_may_say_that_a_host_was_set_up_anew(tmp_path: Path, there: Ledger) -> None:
    new = told(chain(tmp_path / "new", "x"), 6)
    with pytest.raises(Problems, match="shortened"):
        anchors.learn(there, "srv-b", new, NOON)
    there.add("release", NOON, {"ledger": "srv-a", "by": "a person", "why": "new disk"})
    assert anchors.learn(there, "srv-b", new, NOON) == 1
    assert anchors.learn(there, "srv-b", new, NOON) == 0


def test_the_home_site_holds_the_other_ledger_fast(tmp_path: Path, home: Ledger, there: Ledger) -> None:
    """The home host notes the DR host's head; its next snapshots bring the note back."""
    head = there.lines()[-1]
    assert anchors.witness(home, anchors.mark("srv-b", head, NOON), NOON)
    assert not anchors.witness(home, anchors.mark("srv-b", head, NOON), NOON)
    anchors.learn(there, "srv-b", told(home, 7), NOON)
    cut = Ledger(tmp_path / "cut")
    cut.path.write_text("".join(there.text().splitlines(keepends=True)[:2]))
    with pytest.raises(Problems) as caught:
        anchors.learn(cut, "srv-b", told(home, 8), NOON)
    assert problem(caught).what == "the ledger of srv-b was shortened"
    other = chain(tmp_path / "other", "a", "b", "c", "d", "e")
    with pytest.raises(Problems) as caught:
        anchors.learn(other, "srv-b", told(home, 8), NOON)
    assert problem(caught).what == "the ledger of srv-b was rewritten"


def test_a_head_behind_the_one_that_was_told_before(home: Ledger, there: Ledger) -> None:
    lines = there.lines()
    anchors.witness(home, anchors.mark("srv-b", lines[-1], NOON), NOON)
    with pytest.raises(Problems, match="srv-b was shortened"):
        anchors.witness(home, anchors.mark("srv-b", lines[0], NOON), NOON)
    with pytest.raises(Problems, match="srv-b was rewritten"):
        anchors.witness(home, {**anchors.mark("srv-b", lines[-1], NOON), "head": "0" * 64}, NOON)


def test_a_snapshot_made_here_holds_the_beginning_of_this_ledger(tmp_path: Path, home: Ledger) -> None:
    before = home.text()
    home.add("copy", NOON, {"id": "c"})
    assert anchors.learn(home, "srv-a", Told("srv-a", before, NOON), NOON) == 0
    assert len(home.lines()) == 4, "no anchor of itself"
    with pytest.raises(Problems, match="srv-a was rewritten"):
        anchors.learn(chain(tmp_path / "x", "x", "b", "c"), "srv-a", Told("srv-a", before, NOON), NOON)
    with pytest.raises(Problems, match="srv-a was shortened"):
        anchors.learn(chain(tmp_path / "y", "a"), "srv-a", Told("srv-a", before, NOON), NOON)


def arrived(ledger: Ledger, source: str) -> None:
    ledger.add("arrival", NOON, {"id": f"copy of {source}", "source": source, "as_of": NOON.isoformat()})


def found(lines: Sequence[Line], *present: str) -> list[tuple[str, str]]:
    return [(gap.id, gap.how) for gap in gaps(lines, present)]


def test_gaps_are_named(there: Ledger) -> None:
    for source in ("a", "c", "z"):
        arrived(there, source)
    assert found(there.lines(), "a", "b", "c", "z") == []
    # b never arrived although the source tells of it; z is one that the source never told of.
    assert found(there.lines(), "a") == [("b", "skipped"), ("c", "deleted"), ("z", "deleted")]
    there.add("prune", NOON, {"state": "begun", "sources": "b z"})
    assert found(there.lines(), "a") == [("c", "deleted")]
    error = gaps(there.lines(), ["a"])[0].error("/srv/restic/x")
    assert (error.exit_code, error.why) == (10, "it was deleted")
