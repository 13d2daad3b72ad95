"""A configuration's text as a tree of lines by indentation. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nornir_tasks.patch.dialect import Dialect, Path


@dataclass(slots=True)
class Node:
    """A line and the lines below it, in the text's order."""

    line: str
    children: list[Node] = field(default_factory=list)


def parse(text: str, dialect: Dialect) -> tuple[Node, ...]:
    """Return a text's lines as trees: what is indented more belongs to the line above it.

    Lines that the dialect ignores are left out. A text within delimiters (a banner) is one line with line breaks in it.
    """
    roots: list[Node] = []
    above: list[tuple[int, list[Node]]] = [(-1, roots)]
    for depth, line in _lines(text, dialect):
        while above[-1][0] >= depth:
            above.pop()
        node = Node(line)
        above[-1][1].append(node)
        above.append((depth, node.children))
    return tuple(roots)


def paths(trees: tuple[Node, ...], above: Path = ()) -> Iterator[tuple[Path, bool]]:
    """Yield each line's path in the text's order, and whether lines stand below it."""
    for tree in trees:
        path = (*above, tree.line)
        yield path, bool(tree.children)
        yield from paths(tuple(tree.children), path)


def _lines(text: str, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """Yield (indentation, line) for every line that says something."""
    source = iter(text.splitlines())
    for raw in source:
        line = raw.strip()
        if not line or any(re.fullmatch(pattern, line) for pattern in dialect.ignored):
            continue
        yield len(raw) - len(raw.lstrip()), _block(line, source, dialect)


def _block(line: str, source: Iterator[str], dialect: Dialect) -> str:
    """Return a line, and with it the rest of the text that it begins."""
    found = next(filter(None, (re.fullmatch(pattern, line) for pattern in dialect.blocks)), None)
    if found is None or found["end"] in line[found.end("end") :]:
        return line
    lines = [line]
    for more in source:
        lines.append(more)
        if found["end"] in more:
            break
    return "\n".join(lines)
