"""restic on one host: its commands as methods. Each has a time limit and raises ``ResticError`` unless it succeeded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from backup.host import LimitError, Observer, Result, Shell
from backup.restic import things
from backup.restic.features import FEATURES, OLDEST, Version, parse_version, supports
from backup.restic.jobs import Jobs
from backup.restic.progress import Meter, Reader, Tell
from backup.restic.reasons import Reason, ResticError, classify
from backup.restic.things import Blob, Lock, Rates, Repository, Saved, Snapshot
from netdr.kernel.errors import BackupError, MissingError

# Seconds. Opening a repository costs 0.5 to 0.7 s of scrypt, making one about 3 s; the rest is reserve for a busy host.
QUICK = 120.0
# Less garbage collection: 5 % less processor time for 110 MB more memory (measured: GOGC 100, 400 and 1000 on 1 GB).
# Two lines of status a second are enough. If netdr is killed, restic is interrupted, so that it takes its lock away.
PREFIX = ("env", "GOGC=400", "RESTIC_PROGRESS_FPS=2", "setpriv", "--pdeathsig=INT", "--")


def open_arguments(repository: Repository) -> list[str]:
    """Return the options that open a repository."""
    pinned = ["--cacert", str(repository.cacert)] if repository.cacert else []
    options = [word for option in repository.options for word in ("-o", option)]
    files = ["--repository-file", str(repository.location), "--password-file", str(repository.password)]
    return [*files, *pinned, *options]


def from_arguments(repository: Repository) -> list[str]:
    """Return the options that open a second repository to read from."""
    return ["--from-repository-file", str(repository.location), "--from-password-file", str(repository.password)]


def rate_arguments(rates: Rates) -> list[str]:
    """Return the options that keep restic below these rates."""
    up = ["--limit-upload", str(rates.upload)] if rates.upload else []
    return up + (["--limit-download", str(rates.download)] if rates.download else [])


@dataclass(frozen=True)
class Shown:
    """Where a backup is taken: ``folder`` is what is saved, ``prefix`` the command that shows restic the view of it."""

    folder: Path
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """How a copy travels: within ``limit`` seconds, at which rates, and what tells of its progress."""

    limit: float
    rates: Rates = field(default_factory=Rates)
    meter: Meter | None = None


@dataclass(frozen=True)
class Restic:
    """restic on one host.

    ``cache`` None means that every byte is read from the repository itself, as a proof must. ``jobs`` remembers what
    runs, so that a lock that is left behind can be proven to be nobody's.
    """

    shell: Shell
    cache: Path | None
    program: str = "restic"
    jobs: Jobs | None = field(default=None, compare=False)

    @cached_property
    def version(self) -> Version:
        """The version of the program. Raise MissingError if there is none or it is too old."""
        version = parse_version(self.shell.run([self.program, "version"], limit=QUICK).out)
        if version < OLDEST:
            listed = ".".join(map(str, OLDEST))
            raise MissingError(f"restic is older than {listed}", hint=FEATURES["from-repository-file"].reason)
        return version

    def init(self, repository: Repository, like: Repository | None = None) -> None:
        """Make a repository. ``like``: take its chunker parameters, so that copies share their blocks for ever."""
        chunker = [*from_arguments(like), "--copy-chunker-params"] if like else []
        self._run(["init", *chunker], repository, limit=QUICK)

    def backup(
        self, repository: Repository, view: Shown, *, tags: Sequence[str], limit: float, tell: Tell | None = None
    ) -> Saved:
        """Save everything in a view, as this host, and return what was made.

        Raise ResticError if anything could not be read (a snapshot of the rest may be there: ``partial``), BackupError
        if restic names no snapshot.
        """
        listed = [word for tag in tags for word in ("--tag", tag)]
        argv = ["backup", "--json", "--host", self.shell.name, *listed, "."]
        status = Observer(out=Reader(tell).hear if tell else None)
        with self._job("backup", repository, observer=status) as observer:
            out = self._run(argv, repository, limit=limit, shown=view, observer=observer).out
        saved = _saved(out)
        if saved is None:
            raise BackupError("restic saved something but did not say which snapshot", where=repository.label)
        return saved

    def snapshots(self, repository: Repository) -> tuple[Snapshot, ...]:
        """Return every snapshot, oldest first. Raise ResticError if one of them cannot be read: rc is 0 even then."""
        result = self._run(["snapshots", "--json", "--no-lock"], repository, limit=QUICK)
        if "could not load snapshot" in result.err:
            raise ResticError(Reason.DAMAGED, where=repository.label, result=result)
        found = [things.snapshot(value) for value in json.loads(result.out or "[]") or []]
        return tuple(sorted(found, key=lambda snapshot: snapshot.time))

    def copy(
        self,
        source: Repository,
        target: Repository,
        ids: Sequence[str],
        way: Way,
    ) -> Mapping[str, str]:
        """Copy snapshots by id and return the short id of each new one by that of its source.

        restic calls it success, too, when an id is unknown or cannot be read: what is not returned was not copied now.
        """
        retry = ["--retry-lock", "1m"] if supports(self.version, "retry-lock") else []
        argv = ["copy", *retry, *from_arguments(source), *rate_arguments(way.rates), *ids]
        metered = Observer(begun=way.meter.watch if way.meter else None)
        try:
            with self._job("copy", target, source, observer=metered) as observer:
                return things.copied(self._run(argv, target, limit=way.limit, observer=observer).out)
        finally:
            if way.meter:
                way.meter.end()

    def restore(
        self, repository: Repository, snapshot: str, into: Path, *, limit: float, tell: Tell | None = None
    ) -> None:
        """Restore a snapshot into an empty folder. Raise ResticError if anything is missing or damaged.

        What could be restored is there even then, so that the caller can name the files that differ.
        """
        argv = ["restore", snapshot, "--no-lock", "--target", str(into)]
        if tell is None:
            self._run(argv, repository, limit=limit)
        elif supports(self.version, "restore-json"):
            self._run([*argv, "--json"], repository, limit=limit, observer=Observer(out=Reader(tell).hear))
        else:
            meter = Meter(tell)
            try:
                self._run(argv, repository, limit=limit, observer=Observer(begun=meter.watch))
            finally:
                meter.end()

    def check(self, repository: Repository, *, subset: str = "", limit: float) -> None:
        """Check the repository's structure and, with ``subset`` (``n/t`` or ``100%``), the bytes of these packs.

        Raise ResticError, whose ``lines`` name what is damaged.
        """
        read = [f"--read-data-subset={subset}"] if subset else []
        self._run(["check", "--no-lock", *read], repository, limit=limit)

    def forget(self, repository: Repository, ids: Sequence[str], *, prune: bool = False, limit: float) -> None:
        """Remove snapshots, by explicit ids only; with ``prune`` also what nothing else needs."""
        if not ids:
            message = "forget without ids would mean restic's own choice"
            raise ValueError(message)
        with self._job("forget", repository) as observer:
            self._run(["forget", *ids, *(["--prune"] if prune else [])], repository, limit=limit, observer=observer)

    def prune(self, repository: Repository, *, limit: float) -> None:
        """Remove what no snapshot needs."""
        with self._job("prune", repository) as observer:
            self._run(["prune"], repository, limit=limit, observer=observer)

    def dump(self, repository: Repository, snapshot: str, path: str) -> str:
        """Return the text of a file of a snapshot, by its path from the top."""
        return self._run(["dump", "--no-lock", snapshot, f"/{path}"], repository, limit=QUICK).out

    def lengths(self, repository: Repository, indexes: Sequence[str]) -> tuple[int, int]:
        """Return how many bytes of file content some index files know: as stored, and as they were before."""
        stored = plain = 0
        for index in indexes:
            value = json.loads(self._run(["cat", "index", index, "--no-lock"], repository, limit=QUICK).out)
            for blob in (one for pack in value["packs"] for one in pack["blobs"] if one["type"] == "data"):
                stored += blob["length"]
                plain += blob.get("uncompressed_length", blob["length"])
        return stored, plain

    def repair_index(self, repository: Repository, *, limit: float) -> None:
        """Make the index know every pack that is there: those of a killed run are then used and not stored again."""
        command = ["repair", "index"] if supports(self.version, "repair-index") else ["rebuild-index"]
        with self._job("repair", repository) as observer:
            self._run(command, repository, limit=limit, observer=observer)

    def locks(self, repository: Repository) -> tuple[Lock, ...]:
        """Return the locks that can be read; one that vanishes meanwhile has been released."""
        names = self._run(["list", "locks", "--no-lock"], repository, limit=QUICK).out.split()
        return tuple(lock for name in names if (lock := self._lock(repository, name)))

    def blobs(self, repository: Repository) -> tuple[Blob, ...]:
        """Return every piece of file content that the repository's index knows, with the place where it is stored."""
        indexes = self._run(["list", "index", "--no-lock"], repository, limit=QUICK).out.split()
        return tuple(blob for index in indexes for blob in self._index(repository, index))

    def paths(self, repository: Repository, snapshot: str, blobs: Sequence[str]) -> Mapping[str, str]:
        """Return, by blob id, a path of ``snapshot`` that needs the blob; ids that it does not need are left out."""
        argv = ["find", "--json", "--no-lock", "--snapshot", snapshot, "--blob", *blobs]
        found = json.loads(self._run(argv, repository, limit=QUICK).out or "[]") or []
        return {one["id"]: one["path"].lstrip("/") for one in found}

    def _lock(self, repository: Repository, name: str) -> Lock | None:
        try:
            out = self._run(["cat", "lock", name, "--no-lock"], repository, limit=QUICK).out
        except ResticError:
            return None
        return things.lock(name, json.loads(out))

    def _index(self, repository: Repository, index: str) -> list[Blob]:
        value = json.loads(self._run(["cat", "index", index, "--no-lock"], repository, limit=QUICK).out)
        return [
            Blob(blob["id"], pack["id"], blob["offset"], blob["length"])
            for pack in value["packs"]
            for blob in pack["blobs"]
            if blob["type"] == "data"
        ]

    def _run(
        self,
        argv: Sequence[str],
        repository: Repository,
        *,
        limit: float,
        shown: Shown | None = None,
        observer: Observer | None = None,
    ) -> Result:
        cache = ["--cache-dir", str(self.cache)] if self.cache else ["--no-cache"]
        view = shown.prefix if shown else ()
        command = [*PREFIX, *view, self.program, *argv, *open_arguments(repository), *cache]
        try:
            result = self.shell.run(command, limit=limit, cwd=shown.folder if shown else None, watch=observer)
        except LimitError as error:
            what = f"restic {argv[0]} did not end within {limit:.0f} s and was stopped"
            raise LimitError(what, where=error.where, hint=error.hint) from None
        if result.code == 127:
            raise MissingError("restic cannot be started", where=self.shell.name, why=result.last_words)
        reason = classify(result)
        if reason:
            raise ResticError(reason, where=repository.label, result=result)
        return result

    @contextmanager
    def _job(self, command: str, *repositories: Repository, observer: Observer | None = None) -> Iterator[Observer]:
        """Give an observer that writes down the process of a command that locks ``repositories``, in this order.

        What fails stays written down: it may have left its locks. The name of a command that only reads a repository
        is ``read``.
        """
        heard = observer or Observer()
        names = (command, *("read" for _ in repositories[1:]))
        listed = (
            [self.jobs.job(name, one.label) for name, one in zip(names, repositories, strict=True)] if self.jobs else []
        )

        def begun(pid: int) -> None:
            for job in listed:
                job.begun(pid)
            if heard.begun:
                heard.begun(pid)

        yield Observer(heard.err, heard.out, begun)
        for job in listed:
            job.ended()


def partial(error: ResticError) -> Saved | None:
    """Return the snapshot that a backup has made although it could not read everything; None if there is none."""
    return _saved(error.out) if error.reason is Reason.SOURCE else None


def _saved(out: str) -> Saved | None:
    summary = next((line for line in _objects(out) if line.get("message_type") == "summary"), {})
    return things.saved(summary) if summary.get("snapshot_id") else None


def _objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
