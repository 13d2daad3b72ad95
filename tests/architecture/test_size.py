"""Small modules, small functions: what a reader holds in the head at once."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("netdr", "inventory", "nornir_tasks", "monitoring", "backup", "lab", "playbooks")

MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 50, 10
# Each with the reason why it is longer.
LONGER = {
    "nornir_tasks/drivers/linux_device.py": "one file on the device, the standard library only: it cannot be several",
}


def modules() -> Iterator[tuple[str, str]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def functions() -> Iterator[tuple[str, int]]:
    for name, text in modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                yield f"{name}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_modules_are_small_except_those_listed() -> None:
    long = {name for name, text in modules() if text.count("\n") > MODULE_LINES}
    assert long == set(LONGER)


def test_functions_are_small() -> None:
    assert [(name, lines) for name, lines in functions() if lines > FUNCTION_LINES] == []


def test_most_functions_are_very_small() -> None:
    assert statistics.median(lines for _, lines in functions()) <= MEDIAN_LINES
