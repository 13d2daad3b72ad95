"""What exactly was saved: every file of a staged tree with its hash, and one hash over all of it.

The tree's root hash binds the service, the time and every path, type, mode, size and content (a hash tree: a
directory's digest covers its children's). It is written at the source, stands as a tag on the snapshot and in the
ledger, and is what a restored tree is compared with.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from netdr.kernel.errors import BackupError

NAME = "manifest.json"

Kind = Literal["file", "directory", "link"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree, relative to its top.

    ``digest`` is the SHA-256 of a file's content, of a link's target, or of a directory's children.
    """

    path: str
    kind: Kind
    mode: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not what the manifest says, and in which way."""

    path: str
    how: Literal["missing", "unexpected", "type", "mode", "size", "content"]


@dataclass(frozen=True)
class Manifest:
    """A staged tree. ``as_of``: everything the service had acknowledged before this moment (UTC) is in the tree."""

    service: str
    host: str
    as_of: datetime
    entries: tuple[Entry, ...]
    facts: Mapping[str, str]

    @property
    def root(self) -> str:
        """SHA-256, in hex, over the manifest's canonical form."""
        return _sha256(self.dump())

    @property
    def files(self) -> int:
        """How many regular files there are."""
        return sum(entry.kind == "file" for entry in self.entries)

    @property
    def size(self) -> int:
        """How many bytes the regular files hold."""
        return sum(entry.size for entry in self.entries if entry.kind == "file")

    def dump(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, ASCII only. Equal manifests give equal texts."""
        value = {
            "service": self.service,
            "host": self.host,
            "as_of": self.as_of.isoformat(),
            "entries": [asdict(entry) for entry in self.entries],
            "facts": dict(self.facts),
        }
        return canonical(value)

    @classmethod
    def load(cls, text: str) -> Manifest:
        """Return the manifest that ``dump`` wrote. Raise BackupError if the text is not one."""
        try:
            value = json.loads(text)
            entries = tuple(Entry(**entry) for entry in value["entries"])
            as_of = datetime.fromisoformat(value["as_of"])
            return cls(value["service"], value["host"], as_of, entries, value["facts"])
        except (ValueError, TypeError, LookupError) as error:
            raise BackupError("the manifest cannot be read", why=str(error)) from error


def canonical(value: object) -> str:
    """Return JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def scan(top: Path) -> tuple[Entry, ...]:
    """Return the entries of the tree below ``top``, sorted by path.

    The manifest's own file at the top is left out, and so is the top itself, which restic does not
    restore. Raise BackupError for anything but files, directories and links.
    """
    children = (entry for path in top.iterdir() if path.name != NAME for entry in _walk(path, path.name))
    return tuple(sorted(children, key=lambda entry: entry.path))


def compare(expected: Iterable[Entry], found: Iterable[Entry]) -> tuple[Difference, ...]:
    """Return every path on which two trees differ, in order of path.

    A directory is compared by kind and mode only: what is wrong inside it is named by the paths inside it.
    """
    left = {entry.path: entry for entry in expected}
    right = {entry.path: entry for entry in found}
    differences = []
    for path in sorted(left.keys() | right.keys()):
        difference = _difference(path, left.get(path), right.get(path))
        if difference:
            differences.append(difference)
    return tuple(differences)


def stamp(top: Path) -> tuple[tuple[str, int, int, int, int], ...]:
    """Return what changes whenever anything below ``top`` changes: inode, size, modification and change time per path.

    The change time cannot be set by any program (inode(7)), so equal stamps before and after mean an unchanged tree.
    """
    return tuple(
        (str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for path in sorted(top.rglob("*"))
        for status in (path.lstat(),)
    )


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _walk(path: Path, name: str) -> Iterator[Entry]:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        yield Entry(name, "file", mode, status.st_size, digest_file(path))
    elif stat.S_ISLNK(status.st_mode):
        target = str(path.readlink())
        yield Entry(name, "link", 0, 0, _sha256(target))
    elif stat.S_ISDIR(status.st_mode):
        children = [entry for child in sorted(path.iterdir()) for entry in _walk(child, f"{name}/{child.name}")]
        direct = [asdict(entry) for entry in children if entry.path.rpartition("/")[0] == name]
        yield Entry(name, "directory", mode, 0, _sha256(canonical(direct)))
        yield from children
    else:
        raise BackupError("neither a file, a directory nor a link", where=str(path))


def _difference(path: str, left: Entry | None, right: Entry | None) -> Difference | None:
    if left is None or right is None:
        return Difference(path, "unexpected" if left is None else "missing")
    if left.kind != right.kind:
        return Difference(path, "type")
    if left.size != right.size:
        return Difference(path, "size")
    if left.kind != "directory" and left.digest != right.digest:
        return Difference(path, "content")
    return Difference(path, "mode") if left.mode != right.mode else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
