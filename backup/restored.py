"""A snapshot brought back to disk and compared, file by file, with the manifest that was taken at the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backup import manifest, snapshots, source
from backup.manifest import Difference, Manifest
from backup.restic import Reason, Repository, Restic, ResticError, Snapshot
from backup.restic.progress import Tell
from netdr.kernel.errors import BackupError, NetdrError, ProofError

# Seconds: 1 GB takes 3 to 8 s.
LIMIT = 4 * 3600.0
# Failures after which it is worth looking at what came back; all others mean that nothing was tried.
_DAMAGE = frozenset({Reason.DAMAGED, Reason.UNKNOWN})
# How many files a message names; the error has them all.
_NAMED = 10


class DifferentError(ProofError):
    """A snapshot that came back different. ``paths`` are all of its damaged files."""

    def __init__(self, what: str, *, where: str, why: str, hint: str, paths: Sequence[str] = ()) -> None:
        super().__init__(what, where=where, why=why, hint=hint)
        self.paths = tuple(paths)


@dataclass(frozen=True)
class Restored:
    """A restored tree that is what its manifest says."""

    folder: Path
    snapshot: Snapshot
    manifest: Manifest

    @property
    def ledger(self) -> str:
        """The source's ledger up to the snapshot before this one."""
        return (self.folder / source.LEDGER).read_text(encoding="utf-8")


def restore(
    restic: Restic, repository: Repository, snapshot: Snapshot, into: Path, tell: Tell | None = None
) -> Restored:
    """Restore ``snapshot`` into the new folder ``into`` and compare it with its manifest.

    ``tell`` hears how far it is, every two seconds.
    Raise DifferentError, naming the snapshot and the files, if anything differs; ResticError if the repository itself
    cannot be used.
    """
    into.mkdir()
    # The accounts that serve databases and pages must be able to pass through.
    into.chmod(0o711)
    trouble: ResticError | None = None
    try:
        restic.restore(repository, snapshot.id, into, limit=LIMIT, tell=tell)
    except ResticError as error:
        if error.reason not in _DAMAGE:
            raise
        trouble = error
    made = _manifest(into, snapshot, repository, trouble)
    differences = manifest.compare(made.entries, manifest.scan(into))
    if differences or trouble:
        raise _different(snapshot, repository, differences, trouble)
    return Restored(into, snapshot, made)


def _manifest(folder: Path, snapshot: Snapshot, repository: Repository, trouble: ResticError | None) -> Manifest:
    path = folder / manifest.NAME
    try:
        made = Manifest.load(path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, BackupError) as error:
        raise _different(snapshot, repository, (Difference(manifest.NAME, "content"),), trouble) from error
    if (made.root, made.service) != (snapshot.tag("manifest"), snapshot.tag("service")):
        why = f"its root is {made.root[:12]}, the snapshot says {snapshot.tag('manifest')[:12]}"
        raise ProofError(_what(snapshot), where=repository.label, why=f"the manifest is not the one taken: {why}")
    return made


def _different(
    snapshot: Snapshot, repository: Repository, differences: Sequence[Difference], trouble: NetdrError | None
) -> DifferentError:
    count = len(differences)
    named = "; ".join(f"{one.path} ({one.how})" for one in differences[:_NAMED])
    more = f"; and {count - _NAMED} more" if count > _NAMED else ""
    words = f"restic: {trouble.why}" if trouble else ""
    return DifferentError(
        f"{_what(snapshot)}: {count} {'file differs' if count == 1 else 'files differ'}",
        where=repository.label,
        why=" | ".join(part for part in (named + more, words) if part),
        hint="do not use this snapshot; verify an older one (netdr backup verify ASSET --snapshot ID), find out what "
        "changed the repository's disk, and put the damaged pack files back from another copy",
        paths=[one.path for one in differences],
    )


def _what(snapshot: Snapshot) -> str:
    moment = f"{snapshots.as_of(snapshot):%F %T}Z"
    return f"snapshot {snapshot.id[:8]} of {snapshot.tag('service')} as of {moment} came back different"
