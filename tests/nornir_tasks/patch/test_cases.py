"""Known mistakes of other tools and of ours: a file has two configurations and the commands, worked out by hand."""

from pathlib import Path

import pytest
import yaml

from nornir_tasks.patch.comware import COMWARE
from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.plan import commands
from nornir_tasks.patch.vrp import VRP

CASES = sorted(Path(__file__).with_name("cases").glob("*.yaml"))
DIALECTS = {dialect.name: dialect for dialect in (IOS, VRP, COMWARE)}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_commands_are_those_worked_out_by_hand(path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    expected = tuple(str(command) for command in case["commands"])
    assert commands(DIALECTS[case["dialect"]], case["running"], case["intended"]) == expected
