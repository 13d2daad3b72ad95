"""A sample of the matrix of ``./run bench faults``: something goes wrong, and all devices are old or all are new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from box import opened
from cell import Field
from faults import field, matrix

from lab import machine
from netdr.kernel.errors import MissingError

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LINWU = Path(__file__).parents[1] / "districts/linwu"


@pytest.fixture(scope="module")
def place() -> Iterator[Field]:
    try:
        machine.check()
    except MissingError as error:
        pytest.skip(error.report())
    with opened(f"faults-{os.getpid()}", LINWU) as box:
        yield field(box)


@pytest.mark.parametrize(
    ("fault", "stage", "way"),
    [
        ("controller killed", "confirm", "resume"),
        ("controller stopped", "arm", "abort"),
        ("device rebooted", "verify", "abort"),
        ("SSH dropped", "arm", "abort"),
        ("device disk full", "arm", "resume"),
        ("clock jump", "gate", "abort"),
    ],
)
def test_all_devices_are_old_or_all_are_new(place: Field, fault: str, stage: str, way: str) -> None:
    cell = next(cell for cell in matrix() if (cell.fault, cell.stage) == (fault, stage))
    result = place.run(replace(cell, way=way))
    assert result.end in {"old", "new"}, result


def test_a_clock_that_jumps_stops_no_change(place: Field) -> None:
    cell = next(cell for cell in matrix() if (cell.fault, cell.stage) == ("clock jump", "arm"))
    assert place.run(cell).end == "new"
