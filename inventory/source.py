"""One YAML file with the line of every key and value. The only owner of the YAML reader and writer.

The accepted language is a small, safe part of YAML 1.2: mappings, sequences and scalars. Plain ``yes``, ``on`` or
``12:30`` are text here, as in YAML 1.2's core schema; tags, duplicate keys and tab indentation are refused.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from netdr.kernel.errors import InventoryError, Problems

Step = str | int
_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
# YAML 1.2 core schema, section 10.3.2; octal and hexadecimal forms are left as text.
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"(null|~|)"), lambda _: None),
    (re.compile(r"(true|false)"), lambda text: text == "true"),
    (re.compile(r"-?(0|[1-9][0-9]*)"), int),
    (re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)"), float),
)


class _Loader(yaml.SafeLoader):
    """PyYAML's composer without its guesses about what a plain scalar is."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's attribute


@dataclass(frozen=True)
class Document:
    """A parsed file: ``value`` is made of dicts with text keys, tuples and scalars; ``where`` finds the lines."""

    path: Path
    value: object
    root: yaml.Node

    def where(self, steps: tuple[Step, ...]) -> str:
        """Return ``file:line`` of the value at ``steps``; a step that is not in the file is passed over.

        The line of a mapping's entry is that of its key.
        """
        node, line = self.root, self.root.start_mark.line
        for step in steps:
            found = _child(node, step)
            if found is not None:
                line, node = found
        return f"{self.path}:{line + 1}"


def read(path: Path) -> Document:
    """Return the file's document. Raise Problems with everything that is wrong with its form."""
    return parse(path, _text(path))


def parse(path: Path, text: str) -> Document:
    """Return the document in a text that was read from ``path``. Raise Problems with what is wrong with its form."""
    problems: list[InventoryError] = list(_tabs(path, text))
    if problems:
        raise Problems(problems)
    node = _compose(path, text)
    value = _Builder(path, problems).build(node)
    if value is None and not problems:
        problems.append(_empty(path))
    if problems:
        raise Problems(problems)
    return Document(path, value, node)


def write(path: Path, value: object, heading: str) -> None:
    """Write plain dicts, lists and scalars as YAML below a comment, replacing the file in one step."""
    text = "".join(f"# {line}\n" for line in heading.splitlines()) + dump(value)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def dump(value: object) -> str:
    """Return plain dicts, lists and scalars as YAML, in the order they have."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))


def _text(path: Path) -> str:
    """Return the file's text. Raise Problems if it cannot be read, is not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problems([InventoryError("cannot be read", where=str(path), why=error.strerror or str(error))]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        hint = "save the file as UTF-8; for a file in GBK: iconv -f GBK -t UTF-8"
        raise Problems([InventoryError(what, where=f"{path}:{line}", hint=hint)]) from None


def _tabs(path: Path, text: str) -> Iterator[InventoryError]:
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            yield InventoryError(
                "a tab in the indentation",
                where=f"{path}:{number}",
                why="YAML indents with spaces only",
                hint="replace the tab by spaces",
            )


def _compose(path: Path, text: str) -> yaml.Node:
    """Return the node tree of the only document in the text. Raise Problems with the parser's words and line."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise Problems([_syntax(path, error)]) from None
    except yaml.reader.ReaderError as error:
        where = f"{path}:{text.count(chr(10), 0, error.position) + 1}"
        what = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise Problems([InventoryError(what, where=where)]) from None
    except RecursionError:
        raise Problems([InventoryError("nested too deeply", where=str(path))]) from None
    if node is None:
        raise Problems([_empty(path)])
    found: yaml.Node = node
    return found


def _empty(path: Path) -> InventoryError:
    return InventoryError("the file is empty", where=f"{path}:1")


def _syntax(path: Path, error: yaml.MarkedYAMLError) -> InventoryError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    if error.context == "expected a single document in the stream":
        return InventoryError("a second document begins", where=where, why="one file holds one document")
    why = (error.problem or "").replace("'\\t'", "a tab")
    if error.context and error.context_mark:
        why = f"{why} ({error.context} of line {error.context_mark.line + 1})"
    return InventoryError("not valid YAML", where=where, why=why)


class _Builder:
    """Turns nodes into plain values and collects what is refused on the way."""

    def __init__(self, path: Path, problems: list[InventoryError]) -> None:
        self._path, self._problems = path, problems
        self._built: dict[int, object] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node) -> object:
        """Return the value of a node; nodes that several aliases name are built once."""
        key = id(node)
        if key in self._open:
            self._refuse(node, "an alias that contains itself")
            return None
        if key not in self._built:
            self._open.add(key)
            self._built[key] = self._value(node)
            self._open.discard(key)
        return self._built[key]

    def _value(self, node: yaml.Node) -> object:
        if node.tag not in _TAGS:
            self._refuse(node, f"tag '{node.tag}'", "the inventory is plain data without tags")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.build(item) for item in node.value)
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode) -> dict[str, object]:
        found: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, "a key that is not text")
            elif key.value in lines:
                self._refuse(key, f"duplicate key '{key.value}'", f"first on line {lines[key.value]}")
            else:
                lines[key.value] = key.start_mark.line + 1
                found[key.value] = self.build(value)
        return found

    def _refuse(self, node: yaml.Node, what: str, why: str = "") -> None:
        self._problems.append(InventoryError(what, where=f"{self._path}:{node.start_mark.line + 1}", why=why))


def _scalar(node: yaml.ScalarNode) -> object:
    text = node.value
    if node.style is not None:
        return text
    for pattern, make in _PLAIN:
        if pattern.fullmatch(text):
            return make(text)
    return text


def _child(node: yaml.Node, step: Step) -> tuple[int, yaml.Node] | None:
    """Return the line and node of an entry, None if the node has no such entry."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
        found: yaml.Node = node.value[step]
        return found.start_mark.line, found
    return None
