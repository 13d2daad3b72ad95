"""What restic works with: a repository and what opens it, snapshots, blobs, locks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and the files that open it. ``label`` is what people are told: no credential is in it.

    ``options``: how its backend is spoken to (restic's ``-o``); no secret is in them.
    """

    label: str
    location: Path
    password: Path
    cacert: Path | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as the repository lists it. ``original`` is the id it was copied from, empty if it was made there."""

    id: str
    time: datetime
    host: str
    tags: tuple[str, ...]
    original: str

    @property
    def source(self) -> str:
        """The id at the site where it was made: the same in every copy."""
        return self.original or self.id

    def tag(self, key: str) -> str:
        """Return the value of the tag ``key:value``, empty if there is none."""
        return next((tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{key}:")), "")


@dataclass(frozen=True, slots=True)
class Blob:
    """A piece of a file's content and where it lies: so many bytes of a pack file, from an offset on."""

    id: str
    pack: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup made. ``id``: the snapshot's, or a unique beginning of it (0.14 has no more).

    ``changed``: new and changed files; ``added``: bytes of new data; ``packed``: what they take in the repository, None
    where the version does not say.
    """

    id: str
    files: int
    changed: int
    added: int
    packed: int | None


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in a repository: which process on which host took it, and when. Whose clock: the host's."""

    id: str
    time: datetime
    exclusive: bool
    host: str
    pid: int

    def __str__(self) -> str:
        """Return it in an operator's words."""
        kind = "exclusive lock" if self.exclusive else "lock"
        return f"{kind} {self.id[:8]} of process {self.pid} on {self.host} since {self.time:%F %T}Z"


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast restic may send and receive, in KiB/s as its options take it. None: as fast as it goes."""

    upload: int | None = None
    download: int | None = None


def snapshot(value: Mapping[str, object]) -> Snapshot:
    """Return what an element of ``restic snapshots --json`` says."""
    tags = value.get("tags") or []
    return Snapshot(
        id=str(value["id"]),
        time=moment(str(value["time"])),
        host=str(value.get("hostname", "")),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        original=str(value.get("original") or ""),
    )


def lock(name: str, value: Mapping[str, object]) -> Lock:
    """Return what ``restic cat lock`` says of the lock ``name``."""
    exclusive = bool(value.get("exclusive"))
    return Lock(name, moment(str(value["time"])), exclusive, str(value["hostname"]), int(str(value["pid"])))


def saved(value: Mapping[str, object]) -> Saved:
    """Return what the summary of ``restic backup --json`` says."""
    packed = value.get("data_added_packed")
    return Saved(
        id=str(value["snapshot_id"]),
        files=_number(value, "total_files_processed"),
        changed=_number(value, "files_new") + _number(value, "files_changed"),
        added=_number(value, "data_added"),
        packed=None if packed is None else int(str(packed)),
    )


def copied(text: str) -> dict[str, str]:
    """Given what ``restic copy`` printed, return the short id of each new snapshot by that of its source.

    0.19 names the source in the same line, older versions in the last line before that begins with ``snapshot``.
    """
    found: dict[str, str] = {}
    source = ""
    for line in text.splitlines():
        if begun := re.match(r"snapshot ([0-9a-f]+) of ", line):
            source = begun[1]
        elif ended := re.match(r"snapshot ([0-9a-f]+) saved(?:, copied from source snapshot ([0-9a-f]+))?", line):
            found[ended[2] or source] = ended[1]
    return found


def moment(text: str) -> datetime:
    """Return the time that restic wrote, without what is finer than a microsecond: RFC 3339 allows any digits."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _number(value: Mapping[str, object], name: str) -> int:
    return int(str(value.get(name, 0)))
