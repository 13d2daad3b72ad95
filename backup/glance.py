"""What a tree looks like from outside: every path with its kind, mode and stamps, without reading a byte of content.

A tree may be composed: at some of its paths another folder is shown (see ``backup.view``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from netdr.kernel.errors import BackupError

Kind = Literal["file", "directory", "link"]
_NOTHING: Mapping[str, Path] = MappingProxyType({})


class Seen(NamedTuple):
    """A path of a tree, relative to its top. ``real``: where it lies; ``live``: it is shown, not staged.

    Inode, size, modification and change time change whenever content or mode does; the change time cannot be set by any
    program (inode(7)). ``target``: a link's.
    """

    path: str
    real: str
    kind: Kind
    mode: int
    device: int
    inode: int
    size: int
    modified: int
    changed: int
    live: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A tree as it was seen, and where, by path, what holds no data lies: sockets, pipes, devices."""

    seen: tuple[Seen, ...]
    special: Mapping[str, str]

    def moved(self, later: Look) -> tuple[str, ...]:
        """Return every path that is not the same in a later look: changed, gone, or new."""
        if self == later:
            return ()
        before, after = {one.path: one for one in self.seen}, {one.path: one for one in later.seen}
        differ = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        return tuple(sorted(differ | (self.special.keys() ^ later.special.keys())))


def look(top: Path, shown: Mapping[str, Path] = _NOTHING) -> Look:
    """Return what is below ``top``; ``shown`` gives, by path, the folder that takes that path's place.

    What vanishes meanwhile is as if it had never been there. Raise BackupError for a folder that cannot be listed.
    """
    special: dict[str, str] = {}
    try:
        seen = tuple(_walk(str(top), "", shown, special, live=False))
    except OSError as error:
        raise BackupError("cannot be listed", where=error.filename, why=error.strerror or str(error)) from error
    return Look(seen, special)


def _walk(real: str, path: str, shown: Mapping[str, Path], special: dict[str, str], *, live: bool) -> Iterator[Seen]:
    try:
        with os.scandir(real) as listed:
            found = sorted(listed, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        below = f"{path}/{entry.name}" if path else entry.name
        other = shown.get(below)
        try:
            place = entry.path if other is None else str(other)
            status = entry.stat(follow_symlinks=False) if other is None else other.lstat()
            one = _seen(below, place, status, live=live or other is not None)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if one is None:
            special[below] = place
            continue
        yield one
        if one.kind == "directory":
            yield from _walk(place, below, shown, special, live=one.live)


def _seen(path: str, real: str, status: os.stat_result, *, live: bool) -> Seen | None:
    kind = _kind(status.st_mode)
    if kind is None:
        return None
    target = os.readlink(real) if kind == "link" else ""  # noqa: PTH115 - no Path for each of 10,000 files
    size = status.st_size if kind == "file" else 0
    return Seen(
        path,
        real,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_dev,
        status.st_ino,
        size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        live,
        target,
    )


def _kind(mode: int) -> Kind | None:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else None
