"""Directory trees: never copied, but shown to restic where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import source, tree
from backup.machine import Machine
from inventory.asset import Files
from netdr.kernel.errors import BackupError, NetdrError


def require(one: Files, machine: Machine) -> Sequence[NetdrError]:  # noqa: ARG001 - a Kind's
    """Return a problem unless there is such a directory."""
    if Path(one.path).is_dir():
        return []
    return [BackupError("there is no such directory", where=one.path, hint=source.HINT)]


def stage(one: Files, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ARG001 - a Kind's
    """Return where the directory is to be shown; nothing is copied."""
    place = source.files_folder(folder, one)
    tree.passable(place.parent)
    place.mkdir(exist_ok=True)
    return {str(place.relative_to(folder)): Path(one.path).resolve()}


def size(one: Files, machine: Machine) -> int:  # noqa: ARG001 - a Kind's
    """Return how many bytes its files have."""
    return tree.size(Path(one.path))
