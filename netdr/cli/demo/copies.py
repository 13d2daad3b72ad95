"""The demo's own copy of the district, which it edits as an engineer would."""

from __future__ import annotations

import shutil
from pathlib import Path

from netdr.cli.context import Context


def own_district(context: Context, folder: Path) -> Context:
    """Return a context for a copy of the district below ``folder``, without the original's state."""
    copy = folder / context.inventory.resolve().name
    shutil.copytree(context.inventory, copy, ignore=shutil.ignore_patterns(".netdr"))
    return Context(folder=copy, state_folder=None, language=context.language)
