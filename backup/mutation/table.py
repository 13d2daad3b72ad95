"""The table of damages, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = ("damage", "v1", "v2", "v3", "named", "undone", "the verifier's words")
# Characters of the last column.
_WORDS = 110


def text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what ``trials.run`` found, a line for each row under a heading, with how many were caught below."""
    lines = [_HEAD, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD) - 1)]
    shown = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) for line in lines
    ]
    tried = [row for row in rows if row["applies"]]
    return "\n".join([*shown, f"{sum(row['caught'] for row in tried)} of {len(tried)} damages caught", ""])


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    if not row["applies"]:
        return (row["row"], "–", "–", "–", "–", "–", "there is nothing to damage in this way")
    levels = (row["levels"].get(level, "–") for level in ("v1", "v2", "v3"))
    return (row["row"], *levels, _yes(row["named"]), _yes(row["again"], "green"), row["words"][:_WORDS])


def _yes(value: object, word: str = "yes") -> str:
    return word if value else "NO"
