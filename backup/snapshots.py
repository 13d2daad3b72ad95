"""Questions about lists of snapshots: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from backup.manifest import Manifest
from backup.restic import Snapshot
from netdr.kernel.errors import BackupError

LATEST = "latest"


def tags(service: str, made: Manifest) -> tuple[str, ...]:
    """Return the tags that tie a snapshot to its service, its manifest and the moment it describes."""
    return (f"service:{service}", f"manifest:{made.root}", f"as-of:{made.as_of.isoformat()}")


def as_of(snapshot: Snapshot) -> datetime:
    """Return the moment a snapshot describes; for one that netdr did not make, the time restic gave it."""
    tagged = snapshot.tag("as-of")
    return datetime.fromisoformat(tagged) if tagged else snapshot.time


def of_service(found: Iterable[Snapshot], service: str) -> tuple[Snapshot, ...]:
    """Return the snapshots that netdr made of a service, oldest first."""
    ours = (one for one in found if one.tag("service") == service and one.tag("manifest"))
    return tuple(sorted(ours, key=as_of))


def choose(found: Sequence[Snapshot], wanted: str, where: str) -> Snapshot:
    """Return the snapshot meant by ``wanted``: ``latest``, or the beginning of an id here or at its source.

    Raise BackupError if there is none, or more than one.
    """
    if wanted == LATEST and found:
        return found[-1]
    fitting = [one for one in found if wanted and (one.id.startswith(wanted) or one.source.startswith(wanted))]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise BackupError(
            f"'{wanted}' is the beginning of several snapshots' ids", where=where, hint="give more digits"
        )
    what = "there is no snapshot" if wanted == LATEST else f"there is no snapshot '{wanted}'"
    raise BackupError(what, where=where, hint="it was deleted or never copied: see netdr backup list")


def facts(one: Snapshot) -> dict[str, str]:
    """Return what a ledger keeps of a snapshot: its id at its source, its manifest, its moment, who made it."""
    moment = as_of(one).isoformat()
    return {"id": one.source, "manifest": one.tag("manifest"), "as_of": moment, "host": one.host}
