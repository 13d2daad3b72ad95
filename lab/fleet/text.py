"""A configuration as the device itself sees it: which files differ and how, which addresses are in it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

_HEADER = "#: file "
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")


def files(text: str) -> Mapping[str, list[str]]:
    """Return the lines of each file by its path, its header among them; without headers it is one nameless file."""
    found: dict[str, list[str]] = {}
    path = ""
    for line in text.splitlines(keepends=True):
        if line.startswith(_HEADER):
            path = line.removeprefix(_HEADER).split()[0]
        found.setdefault(path, []).append(line)
    return found


def difference(running: str, candidate: str) -> str:
    """Return the unified diff from one configuration to another, file by file; empty if they are equal."""
    old, new = files(running), files(candidate)
    changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    return "".join(
        line
        for path in changed
        for line in difflib.unified_diff(
            old.get(path, []),
            new.get(path, []),
            fromfile=path if path in old else "/dev/null",
            tofile=path if path in new else "/dev/null",
        )
    )


def addresses(text: str) -> frozenset[str]:
    """Return the IPv4 addresses that a configuration mentions."""
    return frozenset(_ADDRESS.findall(text))
