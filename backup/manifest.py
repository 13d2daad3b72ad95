"""What exactly was saved: every file of a staged tree with its hash, and one hash over all of it.

The tree's root hash binds the service, the time and every path, type, mode, size and content (a hash tree: a
directory's digest covers its children's). It is written at the source, stands as a tag on the snapshot and in the
ledger, and is what a restored tree is compared with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from backup import glance, hashing
from backup.glance import Kind, Seen
from netdr.kernel.errors import BackupError

NAME = "manifest.json"


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

    def value(self) -> dict[str, str | int]:
        """Return it for JSON."""
        return {"path": self.path, "kind": self.kind, "mode": self.mode, "size": self.size, "digest": self.digest}


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

    @cached_property
    def root(self) -> str:
        """SHA-256, in hex, over the manifest's canonical form."""
        return _sha256(self._text)

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
        return self._text

    @cached_property
    def _text(self) -> str:
        value = {
            "service": self.service,
            "host": self.host,
            "as_of": self.as_of.isoformat(),
            "entries": [entry.value() for entry in self.entries],
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


def build(seen: Iterable[Seen], digests: Mapping[str, str]) -> tuple[Entry, ...]:
    """Given what was seen of a tree and its files' digests by path, return the entries, sorted by path.

    The manifest's own file at the top is left out. A directory's digest covers its children's entries.
    """
    entries: dict[str, Entry] = {}
    children: dict[str, list[Entry]] = {}
    # Deepest first, so that a directory's children are there before it.
    for one in sorted(seen, key=lambda one: one.path, reverse=True):
        if one.path == NAME:
            continue
        if one.kind == "directory":
            inside = [entry.value() for entry in reversed(children.pop(one.path, []))]
            entry = Entry(one.path, "directory", one.mode, 0, _sha256(canonical(inside)))
        elif one.kind == "link":
            entry = Entry(one.path, "link", 0, 0, _sha256(one.target))
        else:
            entry = Entry(one.path, "file", one.mode, one.size, digests[one.path])
        entries[one.path] = entry
        children.setdefault(one.path.rpartition("/")[0], []).append(entry)
    return tuple(entries[path] for path in sorted(entries))


def scan(top: Path) -> tuple[Entry, ...]:
    """Return the entries of the tree below ``top``, sorted by path.

    The manifest's own file at the top is left out, and so is the top itself, which restic does not
    restore. Raise BackupError for anything but files, directories and links, and for what cannot be read.
    """
    look = glance.look(top)
    if look.special:
        raise BackupError("neither a file, a directory nor a link", where=next(iter(look.special.values())))
    digests, moved = hashing.digests(one for one in look.seen if one.path != NAME)
    if moved:
        raise BackupError("changed or vanished while it was read", where=str(top / moved[0]))
    return build(look.seen, digests)


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
