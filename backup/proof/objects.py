"""The files of a restic repository as they lie on the disk, looked at without restic and without a password.

Every file but ``config`` is named after the SHA-256 of its content (restic's manual, "Repository Format"), so damage
has a name whatever restic's version says of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from backup import glance, hashing
from backup.proof.coverage import Pack

_KINDS = ("keys", "snapshots", "index", "data")


def packs(repository: Path) -> tuple[Pack, ...]:
    """Return the pack files of a repository, in order of their ids."""
    found = ((path, path.stat()) for path in sorted((repository / "data").glob("??/*")) if path.is_file())
    return tuple(Pack(path.name, one.st_size, datetime.fromtimestamp(one.st_mtime, UTC)) for path, one in found)


def contents(repository: Path) -> frozenset[str]:
    """Return the names of what says which data there is: snapshots and indexes."""
    return frozenset(path.name for kind in ("snapshots", "index") for path in (repository / kind).glob("*"))


def damaged(repository: Path) -> tuple[str, ...]:
    """Return every file that is not what its name says, below ``repository``, and in which way."""
    return tuple(_damage(repository))


def _damage(repository: Path) -> Iterator[str]:
    if not (repository / "config").is_file():
        yield "config is missing"
    for kind in _KINDS:
        if not (repository / kind).is_dir():
            yield f"{kind} is missing"
            continue
        seen = [one for one in glance.look(repository / kind).seen if one.kind == "file"]
        found, _ = hashing.digests(seen)
        for one in sorted(seen, key=lambda one: one.path):
            if found.get(one.path) != Path(one.path).name:
                yield f"{kind}/{one.path} ({one.size} bytes) is not what it is named after"
