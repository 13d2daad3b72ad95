"""A copy of what a DR host has of one asset, to be damaged: repository, password, ledger. The original stays as it is.

The repository's files are hard links, so a copy costs no space; whoever changes one writes a new file in its place.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from backup import arrivals, folder, manifest, restored, snapshots, watch
from backup.duty import Duty
from backup.host import LocalShell
from backup.machine import Machine
from backup.manifest import Manifest
from backup.report import Steps
from backup.repository import Layout, write_private
from backup.restic import Repository, Shown, Snapshot
from netdr.kernel.errors import BackupError


@dataclass(frozen=True)
class Scratch:
    """One asset on a DR host of its own. ``spare``: an empty folder to work in."""

    machine: Machine
    duty: Duty
    spare: Path

    @property
    def folder(self) -> Path:
        """The repository's files."""
        return self.machine.layout.repositories / self.duty.asset.id

    @property
    def repository(self) -> Repository:
        """The repository as restic opens it."""
        return self.machine.layout.disk(self.duty.asset.id)

    @cached_property
    def found(self) -> tuple[Snapshot, ...]:
        """The asset's snapshots that are not quarantined, oldest first."""
        name = self.duty.asset.id
        listed = snapshots.of_service(self.machine.plain_restic.snapshots(self.repository), name)
        return arrivals.counted(listed, self.machine.ledger(name).lines())

    @property
    def newest(self) -> Snapshot:
        """The newest of them. Raise BackupError if there is none."""
        return snapshots.choose(self.found, snapshots.LATEST, self.repository.label)

    def restored(self) -> Path:
        """Return a folder with the newest snapshot's tree in it, but no manifest: to be changed and saved again."""
        tree = self.spare / "tree"
        tree.mkdir()
        self.machine.plain_restic.restore(self.repository, self.newest.id, tree, limit=restored.LIMIT)
        (tree / manifest.NAME).unlink()
        return tree

    def save(self, tree: Path, later: timedelta, spoil: Callable[[Manifest], Manifest] | None = None) -> str:
        """Save a tree as its home host would, like one who holds the keys, and return the beginning of the new id.

        It claims to be of so much ``later`` than now. Its manifest is true; ``spoil`` makes another of it for the tree,
        so that only the tags are.
        """
        home, name = self.newest.host, self.duty.asset.id
        made = Manifest(name, home, self.machine.clock() + later, manifest.scan(tree), {"format": "1"})
        (tree / manifest.NAME).write_text((spoil(made) if spoil else made).dump(), encoding="ascii")
        restic = dataclasses.replace(self.machine.restic, shell=LocalShell(home))
        saved = restic.backup(self.repository, Shown(tree), tags=snapshots.tags(name, made), limit=restored.LIMIT)
        return saved.id[:8]

    def rewrite(self, path: Path, content: bytes) -> None:
        """Give a file other content, and leave the original that it is a link to as it is."""
        new = self.spare / "new"
        new.write_bytes(content)
        status = path.stat()
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(path)


@contextmanager
def scratch(machine: Machine, duty: Duty) -> Iterator[Scratch]:
    """Lend a copy of what this DR host has of an asset; it is gone afterwards.

    Arrivals have been noted in its ledger: what comes later is new to it. Raise BackupError if this is not its DR site.
    """
    name = duty.asset.id
    if duty.role != "standby":
        raise BackupError(
            f"the copy of {name} is not on this host", where=machine.book.host, hint="run it at its DR site"
        )
    with folder.lent(machine.layout.bubbles, "netdr-m") as top:
        layout = dataclasses.replace(Layout.under(top), services=machine.layout.services)
        _fill(machine.layout, layout, name)
        spare = top / "spare"
        spare.mkdir()
        copy = dataclasses.replace(machine, layout=layout)
        watch.look(copy, duty, Steps(name, lambda _line: None))
        yield Scratch(copy, duty, spare)


def _fill(real: Layout, layout: Layout, name: str) -> None:
    for one in (layout.bubbles, layout.runtime, layout.cache, layout.repositories):
        one.mkdir(mode=0o711, parents=True, exist_ok=True)
    shutil.copytree(real.repositories / name, layout.repositories / name, copy_function=_link)
    write_private(layout.disk(name).location, f"{layout.repositories / name}\n")
    write_private(layout.disk(name).password, real.disk(name).password.read_text(encoding="utf-8"))
    if real.ledger(name).exists():
        layout.ledger(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real.ledger(name), layout.ledger(name))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system.
        shutil.copy2(source, target)
