"""Sheets on a terminal: columns aligned, Chinese characters two cells wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import click

from inventory.entry import Name
from inventory.sheets import Cell, Sheet


def show_sheets(sheets: Iterable[Sheet], language: str) -> None:
    """Print each sheet with its title, in the reader's language."""
    for number, sheet in enumerate(sheets):
        if number:
            click.echo()
        click.secho(sheet.title.of(language), bold=True)
        rows = [[_text(cell, language) for cell in row] for row in (sheet.head, *sheet.rows)]
        for line in aligned(rows):
            click.echo(f"  {line}")


def aligned(rows: list[list[str]]) -> list[str]:
    """Given rows of equal length, return lines in which every column begins at the same place."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in rows]


def width(text: str) -> int:
    """Return how many terminal cells a text takes (Unicode Standard Annex 11: wide and fullwidth take two)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def _text(cell: Cell, language: str) -> str:
    if isinstance(cell, Name):
        return cell.of(language)
    return " ".join(cell) if isinstance(cell, tuple) else str(cell)
