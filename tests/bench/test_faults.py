"""The matrix of faults as data: nothing is left out, and what is asked for is what is run."""

from __future__ import annotations

from collections import Counter

import pytest
from cell import KINDS, STAGES, Cell, Result
from faults import ONE, Figures, chosen, matrix
from watch import together


def test_every_fault_meets_every_stage_once() -> None:
    cells = Counter((cell.fault, cell.stage) for cell in matrix())
    assert cells == Counter((fault, stage) for fault in KINDS for stage in STAGES)
    assert (len(KINDS), len(STAGES)) == (11, 8)


@pytest.mark.parametrize("fault", ["controller killed", "controller stopped"])
def test_a_change_without_its_controller_is_finished_in_every_way(fault: str) -> None:
    assert {cell.way for cell in matrix() if cell.fault == fault} == {"resume", "abort", "timers"}


def test_timers_alone_are_trusted_only_where_nothing_is_final() -> None:
    assert {cell.stage for cell in matrix() if cell.way == "timers"} <= {"arm", "gate", "verify", "abort"}


def test_every_fault_comes_to_near_and_far_devices() -> None:
    for fault in KINDS:
        assert {cell.ring % 3 for cell in matrix() if cell.fault == fault} == {0, 1, 2}


def test_cells_are_chosen_by_fault_by_stage_and_by_both() -> None:
    assert len(chosen(["clock jump:"])[0]) == len(STAGES)
    assert len(chosen([":seal"])[0]) == len(KINDS)
    assert [str(cell) for cell in chosen(["SSH dropped:arm"])[0]] == ["SSH dropped:arm"]
    assert chosen([ONE]) == ([], True)
    assert chosen(None)[1]
    with pytest.raises(SystemExit, match="no such cell"):
        chosen(["SSH dropped:lunch"])


def test_the_network_is_what_all_its_devices_are() -> None:
    assert together(["old", "old"]) == "old"
    assert together(["new"]) == "new"
    assert together(["old", "new"]) == "mixed"
    assert together(["new", "armed"]) == "unknown"
    assert together(["old", "silent"]) == "unknown"


def test_figures_count_what_is_not_of_one_side_and_take_the_longest() -> None:
    cell = Cell("uplink cut", "arm", "resume")
    ends = [("old", 3.0), ("new", 7.5), ("mixed", 1.0), ("unknown", 2.0), ("unknown", 2.5)]
    results = tuple(Result(cell, end, "itself", seconds, "") for end, seconds in ends)
    expected = {"name": "all", "cells": 5, "mixed": 1, "unknown": 2, "worst_consistent_s": 7.5}
    assert Figures("all", results).as_dict() == expected
