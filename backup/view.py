"""The tree that restic saves: what was staged, and folders shown read-only in it as they are, without a copy.

Showing is done by bind mounts in a mount namespace of restic's own: nobody else sees them, and they are gone with its
process, however that ends. What moves while it is read is calmed: first the folders in which something moved are shown
as copies of the files that lie in them directly; if that is not enough, everything is copied.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from backup import glance, mounting, tree
from backup.glance import Look


@dataclass(frozen=True)
class View:
    """A tree. ``top``: what was staged; ``live``: by path, the folder shown there; ``spare``: an empty folder to use.

    ``calm``: by path, the copies that are shown instead, and the folders in them that are still shown as they are.
    """

    top: Path
    live: Mapping[str, Path]
    spare: Path
    calm: Mapping[str, Path] = field(default_factory=dict)

    @property
    def shown(self) -> Mapping[str, Path]:
        """Every folder that is shown, by path."""
        return {**self.live, **self.calm}

    def look(self) -> Look:
        """Return what restic would see now."""
        return glance.look(self.top, self.shown)

    def prefix(self, order: Path) -> tuple[str, ...]:
        """Return what to put before a command that is to see the view from ``top``; ``order``: a file to write to."""
        if not self.shown:
            return ()
        # Parents first: a folder can only be shown where its parent is shown already.
        mounts = [[str(real), str(self.top / path)] for path, real in sorted(self.shown.items())]
        order.write_text(json.dumps(mounts), encoding="utf-8")
        unshare = ("unshare", "--mount", "--propagation=private", "--")
        return (*unshare, sys.executable, "-I", "-S", str(mounting.__file__), str(order))

    def calmed(self, paths: Iterable[str], looked: Look) -> tuple[View, tuple[str, ...]]:
        """Return a view in which the folders of these paths are copies, and the special files that the copies lack."""
        real = {one.path: one.real for one in looked.seen if one.kind == "directory" and one.live}
        restless = {path if path in real else path.rpartition("/")[0] for path in paths} & real.keys()
        shown, left_out = dict(self.calm), list[str]()
        for path in sorted(restless):
            copy = self.spare / str(sum(1 for _ in self.spare.iterdir()))
            inside, special = tree.copy_flat(Path(real[path]), copy)
            left_out += special
            found = {f"{path}/{name}": folder for name, folder in inside.items()}
            gone = [below for below in shown if below.startswith(f"{path}/") and not _within(below, found)]
            shown = found | {below: folder for below, folder in shown.items() if below not in gone} | {path: copy}
        return replace(self, calm=shown), tuple(left_out)

    def copied(self) -> tuple[View, tuple[str, ...]]:
        """Return a view that shows nothing, with a copy of everything, and the special files that were left out."""
        left_out: list[str] = []
        for path, real in sorted(self.live.items()):
            (self.top / path).rmdir()
            left_out += tree.copy(real, self.top / path)
        return replace(self, live={}, calm={}), tuple(left_out)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
