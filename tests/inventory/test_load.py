from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import load
from inventory.draft import FILES
from netdr.kernel.errors import InventoryError, Problems

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
VALUES = [
    "hub",
    "0",
    "-1",
    "[]",
    "{}",
    "null",
    "true",
    "99999999999",
    "10.0.0.0/8",
    "x y",
    "'",
    "[a",
    "*a",
    "!t",
    "苏",
    "1e9",
]


@st.composite
def spoilings(draw: st.DrawFn) -> tuple[str, str]:
    """Return a file of the district and a text that differs from it in a line or a word."""
    name = draw(st.sampled_from([*FILES, "addresses.yaml"]))
    lines = (LINWU / name).read_text(encoding="utf-8").splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["drop", "double", "indent", "word"])):
        case "drop":
            del lines[number]
        case "double":
            lines.insert(number, lines[number])
        case "indent":
            lines[number] = " " * draw(st.integers(1, 4)) + lines[number]
        case _:
            words = re.split(r"([\w./-]+)", lines[number])
            place = draw(st.integers(0, len(words) - 1))
            words[place] = draw(st.sampled_from(VALUES))
            lines[number] = "".join(words)
    return name, "\n".join(lines) + "\n"


@given(st.lists(spoilings(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_written_is_explained_or_accepted(spoiled: list[tuple[str, str]]) -> None:
    """No mistake of a user may end in a traceback, and each is told with its file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "linwu"
        shutil.copytree(LINWU, folder, ignore=shutil.ignore_patterns(".netdr"))
        for file, text in spoiled:
            (folder / file).write_text(text, encoding="utf-8")
        found = load.examine(folder)
    assert (found.network is None) == bool(found.problems)
    for problem in (*found.problems, *found.warnings):
        assert isinstance(problem, InventoryError)
        assert re.match(rf"{re.escape(str(folder))}/\w+\.yaml(:\d+)?$", problem.where)


def test_district_does_not_ask_for_a_record(tmp_path: Path) -> None:
    shutil.copytree(LINWU, tmp_path / "linwu", ignore=shutil.ignore_patterns("addresses.yaml", ".netdr"))
    assert load.district(tmp_path / "linwu").settings.id == "linwu"
    with pytest.raises(Problems, match="no addresses are recorded"):
        load.network(tmp_path / "linwu")


def test_network_joins_what_is_written_with_what_is_recorded() -> None:
    network = load.network(LINWU)
    # From addresses.yaml, by hand: the first backbone link and the two ports that were pinned in devices.yaml.
    wire = next(wire for wire in network.wires if wire.name == "hub--ring-n")
    assert [(end.node, end.port, str(end.address)) for end in wire.ends] == [
        ("hub", "swp1", "192.168.252.0/31"),
        ("ring-n", "swp1", "192.168.252.1/31"),
    ]
    pinned = {wire.far("cave-gw").node: wire.end("cave-gw").port for wire in network.wires_of("cave-gw")}
    assert (pinned["ring-n"], pinned["ring-l"]) == ("swp7", "swp8")
