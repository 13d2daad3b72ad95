"""The only module that runs restic.

Builders of command lines are pure; ``Restic`` runs them with a time limit, reads JSON where the version has it and text
where it has not, and turns every ending but success into a ``ResticError`` with its reason. Secrets and repository
addresses (which hold credentials) are given as files, so that no process list shows them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from backup.host import Result, Shell
from netdr.kernel.errors import BackupError, MissingError

Version = tuple[int, int]

# Seconds. Opening a repository costs 0.5 to 0.7 s of scrypt, making one about 3 s; the rest is reserve for a busy host.
QUICK = 120.0


@dataclass(frozen=True, slots=True)
class Feature:
    """Something restic can do from a version on, and what netdr does without it."""

    since: Version
    otherwise: str


# Versions from restic's changelog; behaviour of 0.14, 0.18 and 0.19 was measured.
FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "from-repository-file": Feature((0, 14), "refuse: copy needs the source's credentials in files"),
        "retry-lock": Feature((0, 16), "a locked repository is a failure at once"),
        "exit-codes": Feature((0, 17), "reasons are read from stderr"),
    }
)
OLDEST = FEATURES["from-repository-file"].since


class Reason(Enum):
    """Why restic did not do all it should: the words for the operator, and what to do next."""

    NO_REPOSITORY = ("there is no repository", "run netdr backup init")
    LOCKED = ("the repository is locked by another run", "wait for it; if it was killed: restic unlock on that host")
    WRONG_PASSWORD = ("the repository's password is not the one on this host", "compare with the other site's copy")
    CREDENTIAL = (
        "the backup server refused the credential",
        "run netdr backup init to hand the credentials over again",
    )
    CERTIFICATE = ("the backup server does not show the pinned certificate", "find out why before you run init again")
    UNREACHABLE = ("the backup server does not answer", "check the DR host and the path to it, then run copy again")
    APPEND_ONLY = ("the append-only server refused to delete or overwrite", "retention runs at the DR site only")
    NOT_STORED = (
        "the backup server could not store a file",
        "look at the free space of the DR host, run netdr backup init (it removes what a full disk left), then copy",
    )
    DISK_FULL = ("there is no space left for the repository", "free space on that host; finished snapshots are safe")
    DAMAGED = ("bytes in the repository are not what was written", "prove an older snapshot, keep the damaged files")
    NO_SNAPSHOT = ("there is no such snapshot", "see netdr backup list")
    SOURCE = ("something to be saved could not be read", "check the staged files on the host")
    INTERRUPTED = ("restic was interrupted", "run the command again")
    UNKNOWN = ("restic failed", "read its own words above")


# Exit codes: restic's documentation, "Exit codes"; 130 and 143 are SIGINT and SIGTERM.
_CODES = {
    3: Reason.SOURCE,
    10: Reason.NO_REPOSITORY,
    11: Reason.LOCKED,
    12: Reason.WRONG_PASSWORD,
    130: Reason.INTERRUPTED,
    143: Reason.INTERRUPTED,
}
_DAMAGE = (
    r"ciphertext verification failed|invalid data returned|pack id does not match|does not match id|load <"
    r"|repository contains errors|not found in (the )?index|unable to load index|unexpected eof"
)
# In this order: the first that is found in stderr. Text of 0.14 and 0.19, each seen.
_TEXTS: tuple[tuple[str, Reason], ...] = (
    (r"no space left on device|507 ", Reason.DISK_FULL),
    # rclone says 500 once and then refuses, with 403, to have its own empty file overwritten.
    (r"save\(<.*(500|403)", Reason.NOT_STORED),
    (r"x509: |tls: ", Reason.CERTIFICATE),
    (r"blob not removed.*403|forbidden.*config already exists", Reason.APPEND_ONLY),
    (r"\(?40[13]\)?:? (unauthorized|forbidden)|\(40[13]\)", Reason.CREDENTIAL),
    (r"connection refused|no route to host|i/o timeout|no such host|network is unreachable", Reason.UNREACHABLE),
    (r"wrong password or no key found", Reason.WRONG_PASSWORD),
    (r"already locked", Reason.LOCKED),
    (_DAMAGE, Reason.DAMAGED),
    (r"no matching id found|no snapshot found|matching id found for prefix", Reason.NO_SNAPSHOT),
    (r"is there a repository at|unable to open config file|repository does not exist", Reason.NO_REPOSITORY),
    (r"target directories/files do not exist|at least one source file could not be read", Reason.SOURCE),
)


class ResticError(BackupError):
    """restic did not do all it should; ``reason`` says why. A code nobody knows is a failure too."""

    def __init__(self, reason: Reason, *, where: str, result: Result) -> None:
        what, hint = reason.value
        super().__init__(what, where=where, why=_words(result), hint=hint)
        self.reason = reason
        self.lines = tuple(result.err.splitlines())


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and the files that open it. ``label`` is what people are told: no credential is in it."""

    label: str
    location: Path
    password: Path
    cacert: Path | None = None


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


def classify(result: Result) -> Reason | None:
    """Return why restic failed, or None if it did not. Words are looked at first: 0.14 says 1 for everything."""
    if result.code == 0:
        return None
    text = result.err.lower()
    found = (reason for pattern, reason in _TEXTS if re.search(pattern, text))
    return _CODES.get(result.code) or next(found, Reason.UNKNOWN)


def parse_version(text: str) -> Version:
    """Given the output of ``restic version``, return (major, minor). Raise MissingError if it is none."""
    found = re.match(r"restic (\d+)\.(\d+)", text)
    if not found:
        raise MissingError("this is not a restic that netdr knows", why=text.strip()[:80])
    return int(found[1]), int(found[2])


def supports(version: Version, feature: str) -> bool:
    """Return whether a version has a feature of ``FEATURES``."""
    return version >= FEATURES[feature].since


def open_arguments(repository: Repository) -> list[str]:
    """Return the options that open a repository."""
    pinned = ["--cacert", str(repository.cacert)] if repository.cacert else []
    return ["--repository-file", str(repository.location), "--password-file", str(repository.password), *pinned]


def from_arguments(repository: Repository) -> list[str]:
    """Return the options that open a second repository to read from."""
    return ["--from-repository-file", str(repository.location), "--from-password-file", str(repository.password)]


@dataclass(frozen=True)
class Restic:
    """restic on one host. ``cache`` None means that every byte is read from the repository itself, as a proof must."""

    shell: Shell
    cache: Path | None
    program: str = "restic"

    @cached_property
    def version(self) -> Version:
        """The version of the program. Raise MissingError if there is none or it is too old."""
        version = parse_version(self.shell.run([self.program, "version"], limit=QUICK).out)
        if version < OLDEST:
            listed = ".".join(map(str, OLDEST))
            raise MissingError(f"restic is older than {listed}", hint=FEATURES["from-repository-file"].otherwise)
        return version

    def init(self, repository: Repository, like: Repository | None = None) -> None:
        """Make a repository. ``like``: take its chunker parameters, so that copies share their blocks for ever."""
        chunker = [*from_arguments(like), "--copy-chunker-params"] if like else []
        self._run(["init", *chunker], repository, limit=QUICK)

    def backup(self, repository: Repository, folder: Path, *, host: str, tags: Sequence[str], limit: float) -> str:
        """Save everything below ``folder`` and return the snapshot's id or a unique beginning of it (0.14 has no more).

        The staged files are new each time, so restic reads them all; blocks that are known are not stored again.
        """
        listed = [word for tag in tags for word in ("--tag", tag)]
        argv = ["backup", "--json", "--host", host, *listed, "."]
        out = self._run(argv, repository, limit=limit, cwd=folder).out
        summary = next((line for line in _objects(out) if line.get("message_type") == "summary"), {})
        snapshot = summary.get("snapshot_id")
        if not isinstance(snapshot, str) or not snapshot:
            raise BackupError("restic saved something but did not say which snapshot", where=repository.label)
        return snapshot

    def snapshots(self, repository: Repository) -> tuple[Snapshot, ...]:
        """Return every snapshot, oldest first. Raise ResticError if one of them cannot be read: rc is 0 even then."""
        result = self._run(["snapshots", "--json", "--no-lock"], repository, limit=QUICK)
        if "could not load snapshot" in result.err:
            raise ResticError(Reason.DAMAGED, where=repository.label, result=result)
        found = [_snapshot(value) for value in json.loads(result.out or "[]") or []]
        return tuple(sorted(found, key=lambda snapshot: snapshot.time))

    def copy(self, source: Repository, target: Repository, *, limit: float) -> None:
        """Copy what ``target`` lacks. That it ends well does not mean that all is there: compare the ids."""
        retry = ["--retry-lock", "1m"] if supports(self.version, "retry-lock") else []
        self._run(["copy", *retry, *from_arguments(source)], target, limit=limit)

    def restore(self, repository: Repository, snapshot: str, into: Path, *, limit: float) -> None:
        """Restore a snapshot into an empty folder. Raise ResticError if anything is missing or damaged.

        What could be restored is there even then, so that the caller can name the files that differ.
        """
        self._run(["restore", snapshot, "--no-lock", "--target", str(into)], repository, limit=limit)

    def blobs(self, repository: Repository) -> tuple[Blob, ...]:
        """Return every piece of file content that the repository's index knows, with the place where it is stored."""
        indexes = self._run(["list", "index", "--no-lock"], repository, limit=QUICK).out.split()
        return tuple(blob for index in indexes for blob in self._index(repository, index))

    def paths(self, repository: Repository, snapshot: str, blobs: Sequence[str]) -> Mapping[str, str]:
        """Return, by blob id, a path of ``snapshot`` that needs the blob; ids that it does not need are left out."""
        argv = ["find", "--json", "--no-lock", "--snapshot", snapshot, "--blob", *blobs]
        found = json.loads(self._run(argv, repository, limit=QUICK).out or "[]") or []
        return {one["id"]: one["path"].lstrip("/") for one in found}

    def _index(self, repository: Repository, index: str) -> list[Blob]:
        value = json.loads(self._run(["cat", "index", index, "--no-lock"], repository, limit=QUICK).out)
        return [
            Blob(blob["id"], pack["id"], blob["offset"], blob["length"])
            for pack in value["packs"]
            for blob in pack["blobs"]
            if blob["type"] == "data"
        ]

    def _run(self, argv: Sequence[str], repository: Repository, *, limit: float, cwd: Path | None = None) -> Result:
        cache = ["--cache-dir", str(self.cache)] if self.cache else ["--no-cache"]
        command = [self.program, *argv, *open_arguments(repository), *cache]
        result = self.shell.run(command, limit=limit, cwd=cwd)
        reason = classify(result)
        if reason:
            raise ResticError(reason, where=repository.label, result=result)
        return result


def _snapshot(value: Mapping[str, object]) -> Snapshot:
    tags = value.get("tags") or []
    return Snapshot(
        id=str(value["id"]),
        time=_time(str(value["time"])),
        host=str(value.get("hostname", "")),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
        original=str(value.get("original") or ""),
    )


def _time(text: str) -> datetime:
    # restic writes nanoseconds (RFC 3339 allows any number of digits); Python's datetime holds microseconds.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _words(result: Result) -> str:
    # restic ends its message about a missing repository with the location on lines of its own: the cause is above.
    lines = [
        line.strip() for line in result.err.splitlines() if line.strip() and not line.startswith(("\t", "github.com/"))
    ]
    fatal = [_plain(line) for line in lines if re.search(_DAMAGE, line.lower())]
    fatal += [_plain(line) for line in lines if "Fatal" in line or '"exit_error"' in line]
    words = fatal[:1] or [_plain(line) for line in lines[:1]]
    return words[0] if words else result.last_words


def _plain(line: str) -> str:
    if line.startswith("{"):
        value = json.loads(line)
        return str(value.get("message") or value)
    return line.removeprefix("Fatal: ")
