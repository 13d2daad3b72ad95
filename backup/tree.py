"""Copy a directory tree that others may be writing to, and put one in the place of another."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from netdr.kernel.errors import BackupError


def copy(source: Path, target: Path) -> tuple[str, ...]:
    """Copy files, directories and links below ``source`` to the new folder ``target``, with owners, modes and times.

    Return what is left out because it holds no data: sockets, pipes and devices. A path that vanishes on the way is as
    if it had never been there. Raise BackupError for anything that cannot be read.
    """
    try:
        return tuple(_copy(source, target))
    except OSError as error:
        path = error.filename or str(source)
        raise BackupError("cannot be copied", where=str(path), why=error.strerror or str(error)) from error


def copy_flat(source: Path, target: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Copy a folder and the files and links that lie in it directly; folders in it become empty ones.

    Return these folders by name, where they lie, and what is left out because it holds no data. Raise BackupError for
    anything that cannot be read.
    """
    inside: dict[str, Path] = {}
    left_out: list[str] = []
    try:
        status = source.lstat()
        target.mkdir()
        for name in sorted(os.listdir(source)):  # noqa: PTH208 - iterdir is lazy: a name may vanish halfway
            below = source / name
            if below.is_dir() and not below.is_symlink():
                (target / name).mkdir()
                inside[name] = below
            else:
                left_out += _copy(below, target / name)
        shutil.copystat(source, target)
        _own(target, status)
    except OSError as error:
        path = error.filename or str(source)
        raise BackupError("cannot be copied", where=str(path), why=error.strerror or str(error)) from error
    return inside, tuple(left_out)


def replace(new: Path, target: Path, aside: Path) -> None:
    """Put ``new`` at ``target`` and what was there at ``aside``, whose former content goes. All on one file system.

    Between the two renames ``target`` is missing for an instant; after a crash there, ``aside`` is the old content.
    """
    if aside.exists():
        shutil.rmtree(aside)
    if target.exists():
        target.rename(aside)
    new.rename(target)


def clear(folder: Path, mode: int = 0o700) -> Path:
    """Return ``folder`` as a new empty folder; what was there goes. Parents that are made can be passed through."""
    if folder.exists():
        shutil.rmtree(folder)
    passable(folder.parent)
    folder.mkdir()
    folder.chmod(mode)
    return folder


def passable(folder: Path) -> None:
    """Make a folder and its missing parents with mode 0711: others reach what is theirs inside, and list nothing."""
    if not folder.exists():
        passable(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)


def _copy(source: Path, target: Path) -> Iterator[str]:
    try:
        status = source.lstat()
        if stat.S_ISDIR(status.st_mode):
            names = sorted(os.listdir(source))  # noqa: PTH208 - iterdir is lazy: a name may vanish halfway
            target.mkdir()
            for name in names:
                yield from _copy(source / name, target / name)
        elif stat.S_ISREG(status.st_mode):
            shutil.copyfile(source, target)
        elif stat.S_ISLNK(status.st_mode):
            target.symlink_to(source.readlink())
        else:
            yield str(source)
            return
        shutil.copystat(source, target, follow_symlinks=False)
    except FileNotFoundError:
        if not target.is_symlink() and not target.exists():
            return
        # Copied, then removed at the source before its modes were read: what we have is complete.
    _own(target, status)


def _own(target: Path, status: os.stat_result) -> None:
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        # chown(2) clears the set-user-id and set-group-id bits.
        target.chmod(stat.S_IMODE(status.st_mode))


def give(folder: Path, account: str) -> None:
    """Make ``account`` the owner of a folder and everything in it."""
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, account, account)


def size(top: Path) -> int:
    """Return how many bytes the regular files below ``top`` have; what vanishes meanwhile does not count."""
    total = 0
    for folder, _, names in os.walk(top):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = (Path(folder) / name).lstat()
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
