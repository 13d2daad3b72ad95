"""Each folder of ``cases`` spoils the second district in one way; ``expected.txt`` says what the operator reads.

``edit`` holds blocks of ``FILE``, then ``-`` lines that must stand there once, then ``+`` lines that take their place
(only ``+`` lines: they are appended). Any other file takes the place of the district's file of that name; ``removed``
lists files that are gone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from inventory import load
from netdr.kernel.errors import Problems

CASES = Path(__file__).parent / "cases"
BASE = Path(__file__).parents[1] / "districts" / "linwu"


def spoil(case: Path, folder: Path) -> None:
    for file in case.iterdir():
        if file.name == "edit":
            edit(file.read_text(encoding="utf-8"), folder)
        elif file.name == "removed":
            for name in file.read_text().split():
                (folder / name).unlink()
        elif file.name != "expected.txt":
            shutil.copy(file, folder)


def edit(text: str, folder: Path) -> None:
    blocks: list[tuple[str, list[str], list[str]]] = []
    for line in text.splitlines():
        sign, rest = line[:1], line[1:] + "\n"
        if sign not in {"-", "+"}:
            blocks.append((line, [], []))
        elif sign == "-" and blocks[-1][2]:
            blocks.append((blocks[-1][0], [rest], []))
        else:
            blocks[-1][1 if sign == "-" else 2].append(rest)
    for name, old, new in blocks:
        before = (folder / name).read_text(encoding="utf-8")
        if old:
            assert before.count("".join(old)) == 1, f"{name}: not there exactly once: {old}"
            after = before.replace("".join(old), "".join(new))
        else:
            after = before + "".join(new)
        (folder / name).write_text(after, encoding="utf-8")


def told(folder: Path) -> str:
    found = load.examine(folder)
    lines = [problem.report() for problem in found.problems]
    if not found.problems:
        lines = [f"warning: {warning.report()}" for warning in found.warnings]
    return "".join(f"{line}\n" for line in lines).replace(f"{folder}/", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BASE, tmp_path / "district", ignore=shutil.ignore_patterns(".netdr"))
    return tmp_path / "district"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_bad_inventory_is_explained(case: str, folder: Path) -> None:
    spoil(CASES / case, folder)
    assert told(folder) == (CASES / case / "expected.txt").read_text(encoding="utf-8")


def test_there_are_at_least_thirty_cases() -> None:
    assert len(list(CASES.iterdir())) >= 30


def test_network_raises_every_problem(folder: Path) -> None:
    spoil(CASES / "unit-one-uplink", folder)
    with pytest.raises(Problems) as caught:
        load.network(folder)
    assert caught.value.exit_code == 3
    assert "unit 'clinic' has one uplink" in caught.value.report()


def test_the_base_is_sound(folder: Path) -> None:
    assert load.examine(folder).problems == ()
