"""A Prometheus server's time series, copied while it runs.

Its blocks never change once they are there (Prometheus documentation, "Storage"); they come and go as a whole, and what
is being made has ``.tmp`` in its name. The head block is its write-ahead log, which Prometheus repairs when it starts.
Prometheus' snapshot API would need its admin API, with which anybody on the machine could delete series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import source, tree
from backup.machine import Machine
from inventory.asset import Prometheus
from netdr.kernel.errors import BackupError, NetdrError

PLACE = "prometheus"
# Locks and queries of the running server.
_OWN = frozenset({"lock", "queries.active"})


def require(one: Prometheus, machine: Machine) -> Sequence[NetdrError]:  # noqa: ARG001 - a Kind's
    """Return a problem unless the folder is one of Prometheus' data."""
    if (Path(one.path) / "wal").is_dir():
        return []
    return [BackupError("there are no Prometheus data", where=one.path, hint=source.HINT)]


def stage(one: Prometheus, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ARG001 - a Kind's
    """Copy blocks and log; nothing is shown as it is."""
    target = folder / PLACE
    target.mkdir(mode=0o700)
    for path in sorted(Path(one.path).iterdir()):
        if path.name not in _OWN and ".tmp" not in path.name:
            tree.copy(path, target / path.name)
    return {}


def size(one: Prometheus, machine: Machine) -> int:  # noqa: ARG001 - a Kind's
    """Return how many bytes blocks and log have."""
    return tree.size(Path(one.path))
