"""What an asset's data is, brought into one tree from which it is hashed and saved: a module per kind of source.

Each module has three functions: ``require`` returns what is missing before a run, ``size`` how much there is, ``stage``
brings the source into a folder, whole or not at all, and returns the folders that need no copy and are shown as they
are (``backup.view``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from backup.machine import Machine
from backup.sources import devices, files, netdr, postgresql, prometheus, vault
from inventory.asset import DataSource
from netdr.kernel.errors import NetdrError, Problems


class Kind(Protocol):
    """A module of this package. ``one`` is a source of its kind."""

    def require(self, one: Any, machine: Machine) -> Sequence[NetdrError]:  # noqa: ANN401 - of its own kind
        """Return why the source cannot be saved now, nothing if it can."""

    def stage(self, one: Any, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ANN401 - the same
        """Bring the source into the tree at ``folder``, within ``limit`` seconds; return what is shown, by path."""

    def size(self, one: Any, machine: Machine) -> int | None:  # noqa: ANN401 - the same
        """Return how many bytes the source has now, None if nobody knows."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "devices": devices,
        "files": files,
        "netdr": netdr,
        "postgresql": postgresql,
        "prometheus": prometheus,
        "vault": vault,
    }
)


def require(data: Sequence[DataSource], machine: Machine) -> None:
    """Raise Problems with every source that is not there: restic before 0.19 saves the rest and calls it success."""
    problems = [problem for one in data for problem in KINDS[one.kind].require(one, machine)]
    if problems:
        raise Problems(problems)


def stage(data: Sequence[DataSource], folder: Path, machine: Machine, *, limit: float) -> Mapping[str, Path]:
    """Bring every source into the empty folder ``folder``; return what is shown in it as it is, by path.

    Raise BackupError if one of them cannot be had whole. ``limit`` is in seconds, for each source.
    """
    shown: dict[str, Path] = {}
    for one in data:
        shown |= KINDS[one.kind].stage(one, folder, machine, limit)
    return shown
