"""Take a snapshot of a view so that its manifest says exactly what restic read, whatever goes on being written.

Everything is hashed, then restic reads it, then it is looked at again: if nothing moved from the first look to the
last, both have read the same. What moved is calmed, and it is tried again; the last try is of copies that stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup import hashing, manifest, snapshots
from backup.glance import Look
from backup.hashing import Memory
from backup.manifest import Manifest
from backup.restic import QUICK, Reason, Repository, Restic, ResticError, Saved, Shown, partial
from backup.view import View
from netdr.kernel.errors import BackupError

# As they lie; with copies of the folders in which something moved; with copies of everything.
TRIES = 3


@dataclass(frozen=True)
class Order:
    """What is taken, of which asset and moment, and where it goes. ``limit`` in seconds.

    ``final``: what is once in the repository cannot be taken out again, so that nothing is read that may move.
    """

    asset: str
    host: str
    as_of: datetime
    repository: Repository
    limit: float
    final: bool
    memory: Path
    mounts: Path


@dataclass(frozen=True)
class Taken:
    """A snapshot, its manifest, the special files that were left out, and how often something had moved."""

    saved: Saved
    manifest: Manifest
    left_out: tuple[str, ...]
    moved: int


def take(restic: Restic, order: Order, view: View, tell: Callable[[str], None]) -> Taken:
    """Save the view and return what was taken.

    Raise BackupError if it cannot be read, or if even its copies were changed by somebody.
    """
    memory = Memory.load(order.memory)
    left_out: set[str] = set()
    for number in range(TRIES):
        if (order.final and not number) or number == TRIES - 1:
            view, special = view.copied()
            left_out.update(special)
        looked, special = _settled(view)
        left_out.update(special)
        view = looked.view
        made, moved = _hash(order, looked.look, memory)
        if made:
            saved, trouble = _save(restic, order, view, made, tell)
            moved = tuple(path for path in looked.look.moved(view.look()) if path != manifest.NAME)
            if saved and not moved and not trouble:
                return Taken(saved, made, tuple(sorted(left_out)), number)
            if saved and not order.final:
                restic.forget(order.repository, [saved.id], limit=QUICK)
            if trouble and (order.final or not moved):
                raise trouble
            if order.final:
                break
        tell(f"{len(moved)} paths moved while they were read, the first is {moved[0]}")
        view, special = view.calmed(moved, looked.look)
        left_out.update(special)
    hint = "find out which program changes files there, then run it again"
    raise BackupError("the staged files changed while they were saved", where=str(view.top), hint=hint)


@dataclass(frozen=True)
class _Settled:
    view: View
    look: Look


def _settled(view: View) -> tuple[_Settled, tuple[str, ...]]:
    """Return the view without special files, which restic would save too: the folders that hold them are copied."""
    look = view.look()
    if not look.special:
        return _Settled(view, look), ()
    calmed, left_out = view.calmed((path.rpartition("/")[0] for path in look.special), look)
    return _Settled(calmed, calmed.look()), left_out


def _hash(order: Order, look: Look, memory: Memory) -> tuple[Manifest | None, tuple[str, ...]]:
    now = hashing.now()
    digests, moved = hashing.digests((one for one in look.seen if one.path != manifest.NAME), memory)
    # Kept before restic begins: a run that is killed later need not hash it all again.
    memory.save(look.seen, digests, now)
    if moved:
        return None, moved
    return Manifest(order.asset, order.host, order.as_of, manifest.build(look.seen, digests), {"format": "1"}), ()


def _save(
    restic: Restic, order: Order, view: View, made: Manifest, tell: Callable[[str], None]
) -> tuple[Saved | None, ResticError | None]:
    """Return the snapshot that restic has made, if any, and what it could not read: it may have vanished meanwhile."""
    path = view.top / manifest.NAME
    path.write_text(made.dump(), encoding="ascii")
    path.chmod(0o600)
    shown = Shown(view.top, view.prefix(order.mounts))
    tags = snapshots.tags(order.asset, made)
    try:
        return restic.backup(order.repository, shown, tags=tags, limit=order.limit, tell=tell), None
    except ResticError as error:
        if error.reason is not Reason.SOURCE:
            raise
        return partial(error), error
