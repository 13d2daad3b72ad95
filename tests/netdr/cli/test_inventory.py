from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from netdr.cli import main
from netdr.cli.table import aligned, width

LINWU = Path(__file__).parents[2] / "districts" / "linwu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(LINWU, tmp_path / "linwu", ignore=shutil.ignore_patterns(".netdr"))
    return tmp_path / "linwu"


def run(folder: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["-i", str(folder), *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


MINT = """
  - id: mint
    name: {zh: 造币所, en: Mint}
    user_class: plain
    uplinks: [ring-n, ring-s]
    vlans: [{id: 31, name: desks, zone: desk}]
"""


def test_check_of_a_sound_district(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "inventory", "check", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["district"] == "linwu"
    assert [warning["what"] for warning in json.loads(told.out)["warnings"]] == [
        "unit 'ferry' depends on its only uplink to 'ring-l'"
    ]
    assert "the island has one cable" in told.err


def test_check_of_a_bad_one_exits_3_with_every_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(folder / "units.yaml", MINT.replace("ring-s", "ring-x").replace("zone: desk", "zone: dusk"))
    assert run(folder, "inventory", "check", "--json") == 3
    told = capsys.readouterr()
    assert [problem["what"] for problem in json.loads(told.out)["problems"]] == [
        "unit 'mint': unknown device 'ring-x'; known: cave-gw, hub, ring-l, ring-n, ring-s",
        "unit 'mint': unknown zone 'dusk'; known: desk, ledger, prefecture, world",
    ]
    assert told.err.startswith("warning: ")
    assert told.err.endswith("2 problems.\n")
    assert "Traceback" not in told.err


def test_a_new_unit_is_refused_until_it_has_addresses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "addresses.yaml").read_text(encoding="utf-8").splitlines()
    append(folder / "units.yaml", MINT)
    assert run(folder, "inventory", "show") == 3
    assert "hint: netdr inventory allocate" in capsys.readouterr().err
    assert run(folder, "inventory", "allocate", "--json") == 0
    entries = [change["entry"] for change in json.loads(capsys.readouterr().out)]
    # A loopback, two links, a network; two ports at the far ends and three of its own.
    assert len(entries) == 1 + 2 + 1 + 2 + 3
    assert set(before) <= set((folder / "addresses.yaml").read_text(encoding="utf-8").splitlines())
    assert run(folder, "inventory", "show", "mint") == 0


def test_allocate_without_a_change_leaves_the_file_alone(folder: Path) -> None:
    record = folder / "addresses.yaml"
    before = record.stat().st_mtime_ns
    assert run(folder, "inventory", "allocate") == 0
    assert record.stat().st_mtime_ns == before


def test_show_speaks_the_reader_s_language(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert run(folder, "inventory", "show") == 0
    assert "磨坊乡" in capsys.readouterr().out
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert run(folder, "inventory", "show") == 0
    told = capsys.readouterr().out
    assert "Mill village" in told
    assert "磨坊乡" not in told


def test_show_of_an_unknown_name_exits_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "inventory", "show", "nobody") == 2
    assert "unknown device, host, unit, service or site 'nobody'; known: " in capsys.readouterr().err


@pytest.mark.parametrize("form", ["dot", "mermaid", "text"])
def test_graph_prints_a_drawing(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert run(folder, "inventory", "graph", "--format", form) == 0
    assert "ring-n" in capsys.readouterr().out.replace("_", "-")


def test_a_folder_that_is_not_there_is_told_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "gone", "inventory", "check") == 3
    assert "gone: no such folder" in capsys.readouterr().err


def test_secrets_are_created_checked_and_never_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "secrets", "check") == 3
    assert "there is no vault" in capsys.readouterr().err
    assert run(folder, "secrets", "create") == 0
    assert run(folder, "secrets", "check", "--json") == 0
    told = capsys.readouterr().out
    assert '"watcher-priv"' in told
    assert "ssh-ed25519" not in told
    assert run(folder, "secrets", "create") == 3


def test_chinese_text_is_two_cells_wide_and_columns_line_up() -> None:
    assert (width("abc"), width("苏仙区"), width("（a）")) == (3, 6, 5)
    assert aligned([["苏仙", "x"], ["ab", "y"]]) == ["苏仙  x", "ab    y"]
