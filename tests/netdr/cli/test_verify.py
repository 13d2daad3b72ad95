import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from netdr.cli import main

LINWU = Path(__file__).parents[2] / "districts" / "linwu"


def netdr(arguments: Sequence[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["-i", str(LINWU), *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_lab_that_is_not_up_is_a_lab_failure(capfd: pytest.CaptureFixture[str]) -> None:
    assert netdr(["verify", "matrix", "--lab", "no-such-lab"]) == 12
    said = capfd.readouterr()
    assert "unknown lab 'no-such-lab'; known: " in said.err
    assert "hint: netdr lab up" in said.err


def test_a_failure_is_one_json_object_for_programs(capfd: pytest.CaptureFixture[str]) -> None:
    assert netdr(["verify", "matrix", "--lab", "no-such-lab", "--json"]) == 12
    problems = json.loads(capfd.readouterr().out)["problems"]
    assert [problem["kind"] for problem in problems] == ["lab"]
