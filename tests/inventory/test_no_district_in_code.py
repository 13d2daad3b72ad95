"""Another district is another folder of data: no string in the code names a thing of the example districts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory import load
from inventory.links import access_id
from inventory.model import District

ROOT = Path(__file__).parents[2]
CODE = ("netdr", "inventory", "templates", "nornir_tasks", "monitoring", "backup", "lab", "playbooks")
DISTRICTS = (ROOT / "inventory" / "suxian", ROOT / "tests" / "districts" / "linwu")
# Also words of the model itself or of everyday English, which the code may use in their own sense.
WORDS = {"approval", "archive", "audit", "exchange", "health", "ledger", "store"}
WORDS |= {"city", "desk", "dr", "internet", "north", "plain", "private", "public", "remote", "south"}
WORDS |= {"transport", "world"}


def names(district: District) -> set[str]:
    settings, uplink = district.settings, district.uplink
    found = {settings.id, settings.name.zh, settings.name.en, uplink.id, uplink.name.zh, uplink.name.en}
    for entry in (*district.sites, *district.units, *district.services, *district.classes, *district.zones):
        found |= {entry.id, entry.name.zh, entry.name.en}
    found |= {entry.id for entry in (*district.devices, *district.hosts, *district.rules, *district.protections)}
    found |= {access_id(unit.id) for unit in district.units}
    return found - WORDS


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every text constant of a module that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith(("#", "{#")):
            yield number, line


def code() -> Iterator[tuple[Path, int, str]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if any(path.is_relative_to(district) for district in DISTRICTS) or "__pycache__" in path.parts:
                continue
            if path.suffix == ".py":
                yield from ((path, number, text) for number, text in strings(path))
            elif path.suffix in {".j2", ".yaml", ".yml", ".sh", ".conf", ".cfg"}:
                yield from ((path, number, text) for number, text in lines(path))


@pytest.mark.parametrize("folder", DISTRICTS, ids=lambda path: path.name)
def test_no_code_names_a_thing_of_a_district(folder: Path) -> None:
    known = names(load.district(folder))
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in sorted(known)))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path, number, text in code()
        for match in pattern.finditer(text)
    ]
    assert found == []
