from pathlib import Path

import pytest

from lab.visits import Visit, loss, lost, read
from netdr.kernel.errors import LabError

WRITE = "approval"


def ok(t: float, unit: str = "u1", case: str = "") -> Visit:
    return Visit(t, unit, WRITE, ok=True, id=case)


def no(t: float, unit: str = "u1") -> Visit:
    return Visit(t, unit, WRITE, ok=False, why="timed out")


def test_rto_is_the_first_success_after_a_failed_visit() -> None:
    visits = (ok(1, case="a"), ok(11, case="b"), no(12), ok(30, case="c"), ok(31, case="d"))
    assert loss(visits, WRITE, 10, {"a", "b", "c", "d"}).rto_s == {"u1": 20}


def test_an_answer_that_was_under_way_when_the_service_failed_is_not_the_recovery() -> None:
    assert loss((ok(1), ok(10.2, case="a"), no(11), ok(15)), WRITE, 10, {"a"}).rto_s == {"u1": 5}


def test_a_unit_that_noticed_before_the_failure_was_declared_counts_from_the_declaration() -> None:
    assert loss((ok(1), no(9), ok(15)), WRITE, 10, ()).rto_s == {"u1": 5}


def test_an_earlier_outage_that_had_ended_does_not_count() -> None:
    assert loss((no(3), ok(5), ok(12, case="a")), WRITE, 10, {"a"}).rto_s == {"u1": 0}


def test_a_unit_that_still_waits_has_no_rto_and_the_service_no_worst_one() -> None:
    found = loss((ok(1), no(11), ok(1, "u2"), no(11, "u2"), ok(13, "u2")), WRITE, 10, ())
    assert found.rto_s == {"u1": None, "u2": 3}
    assert found.worst_rto_s is None


def test_worst_rto_is_the_slowest_unit() -> None:
    visits = (ok(1), no(11), ok(18), ok(1, "u2"), no(11, "u2"), ok(13, "u2"))
    assert loss(visits, WRITE, 10, ()).worst_rto_s == 8


def test_rpo_is_from_the_newest_write_that_survived_to_the_failure() -> None:
    visits = (ok(1, case="a"), ok(4, case="b"), ok(8, case="c"), no(11), ok(20, case="d"))
    found = loss(visits, WRITE, 10, {"a", "b", "d"})
    assert found.lost == ("c",)
    assert found.rpo_s == 6


def test_nothing_lost_is_an_rpo_of_zero_and_everything_lost_is_unknown() -> None:
    visits = (ok(1, case="a"), ok(4, case="b"))
    assert loss(visits, WRITE, 10, {"a", "b"}).rpo_s == 0
    assert loss(visits, WRITE, 10, ()).rpo_s is None


def test_a_write_acknowledged_after_the_failure_does_not_shorten_the_rpo() -> None:
    visits = (ok(2, case="a"), ok(9, case="b"), ok(10.1, case="c"))
    assert loss(visits, WRITE, 10, {"a", "c"}).rpo_s == 8


def test_other_services_are_left_out() -> None:
    other = Visit(5, "u1", "portal", ok=True, id="x")
    assert lost((other, ok(1, case="a")), WRITE, ()) == ("a",)


def test_a_log_is_read_and_a_line_cut_by_a_crash_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    whole = '{"t": 1.5, "unit": "u1", "service": "approval", "ok": true, "id": "a", "seq": 1, "why": ""}\n'
    log.write_text(whole + whole[:40], encoding="utf-8")
    assert read(log) == (Visit(1.5, "u1", "approval", ok=True, id="a", seq=1),)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"t": 1}\n', encoding="utf-8")
    with pytest.raises(LabError, match=r"log:1: not a line of a log of visits: .*'unit'"):
        read(log)
