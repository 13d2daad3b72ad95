"""What a controller needs to be netdr again: the district's inventory, netdr's state, and the program itself.

Databases are copied by SQLite's backup API, so that each is of one moment. Left out: the vault's password, which is in
the escrow and would make the backup's key open everything, and time series, which are an asset of their own.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from backup import source
from backup.machine import Machine
from inventory.asset import NetdrState
from netdr.kernel.errors import BackupError, NetdrError

PLACE = "netdr"
PROGRAM = Path(__file__).parents[2]
# At the top of the state folder.
_NOT_STATE = frozenset({"vault-password", "prometheus", "alertmanager"})
_ANYWHERE = frozenset({"__pycache__", ".netdr"})
_NOT_PROGRAM = _ANYWHERE | {".venv", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
# SQLite's file format, "The Database Header"; its log and index of a live database are not files of their own.
_SQLITE = b"SQLite format 3\x00"
_BESIDE = ("-wal", "-shm", "-journal")


def require(one: NetdrState, machine: Machine) -> Sequence[NetdrError]:  # noqa: ARG001 - a Kind's
    """Return a problem for each of the controller's folders that is not there."""
    return [
        BackupError("there is no such directory", where=folder or machine.book.host, hint=source.HINT)
        for folder in (machine.book.inventory, machine.book.state)
        if not folder or not Path(folder).is_dir()
    ]


def stage(one: NetdrState, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ARG001 - a Kind's
    """Copy inventory, state and program; nothing is shown as it is. Raise BackupError for what cannot be copied."""
    target = folder / PLACE
    target.mkdir(mode=0o700)
    state = Path(machine.book.state)
    _copy(Path(machine.book.inventory), target / "inventory", _ANYWHERE)
    _copy(state, target / "state", _NOT_STATE)
    _copy(PROGRAM, target / "program", _NOT_PROGRAM)
    return {}


def size(one: NetdrState, machine: Machine) -> int:  # noqa: ARG001 - a Kind's
    """Return how many bytes inventory, state and program have."""
    tops = ((Path(machine.book.inventory), _ANYWHERE), (Path(machine.book.state), _NOT_STATE), (PROGRAM, _NOT_PROGRAM))
    found = (path for top, without in tops for path in _wanted(top, without))
    return sum(path.lstat().st_size for path in found if not path.is_dir())


def _copy(top: Path, target: Path, without: frozenset[str]) -> None:
    target.mkdir(mode=0o700)
    try:
        for path in _wanted(top, without):
            place = target / path.relative_to(top)
            if path.is_dir() and not path.is_symlink():
                place.mkdir(mode=0o700, exist_ok=True)
            elif _is_database(path):
                _copy_database(path, place)
            else:
                shutil.copy2(path, place, follow_symlinks=False)
    except (OSError, sqlite3.Error) as error:
        raise BackupError("cannot be copied", where=str(top), why=str(error)) from error


def _wanted(top: Path, without: frozenset[str]) -> Iterator[Path]:
    """Yield the files and folders below ``top``, folders first; sockets and what has vanished are left out."""
    for path in sorted(top.iterdir()):
        if path.name in without or path.name.endswith(_BESIDE):
            continue
        if path.is_symlink() or path.is_file():
            yield path
        elif path.is_dir():
            yield path
            yield from _wanted(path, without & _ANYWHERE)


def _is_database(path: Path) -> bool:
    if path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(path: Path, place: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as live, closing(sqlite3.connect(place)) as copy:
        live.backup(copy)
    place.chmod(0o600)
