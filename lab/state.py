"""What is written down about a lab while it exists, so that any later command, or the next boot's, can work with it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TextIO

from lab.model import Kind, Topology
from netdr.kernel.errors import LabError, unknown

RUN = Path("/run/netdr-lab")
DISKS = Path("/var/lib/netdr-lab")
_FILE = "lab.json"
_MODE = 0o700

Stage = Literal["starting", "up", "stopping"]


@dataclass(frozen=True)
class LabState:
    """A lab: its topology, how far it is, which nodes have lost power and which cables are cut."""

    topology: Topology
    stage: Stage
    dead: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()

    def to(self, stage: Stage) -> LabState:
        """Return the state at another stage."""
        return replace(self, stage=stage)


def run_folder(lab: str) -> Path:
    """Return the folder of a lab's state."""
    return RUN / lab


def disks(lab: str) -> Path:
    """Return the folder of all that a lab has on disk."""
    return DISKS / lab


def disk(lab: str, node: str) -> Path:
    """Return the folder of one node's disk."""
    return nodes(lab) / node


def nodes(lab: str) -> Path:
    """Return the folder of the disks of a lab's nodes."""
    return DISKS / lab / "nodes"


def bases(lab: str) -> Path:
    """Return the folder, in memory, of what all nodes of a kind have."""
    return DISKS / lab / "bases"


def base(lab: str, kind: Kind) -> Path:
    """Return the folder of what all nodes of ``kind`` have."""
    return bases(lab) / kind


def root(lab: str) -> Path:
    """Return where each node of a lab mounts its root before it moves in, for itself alone."""
    return DISKS / lab / "root"


def pid_file(lab: str, node: str) -> Path:
    """Return the file with the process id of a node's process 1; it is there while the node has power."""
    return RUN / lab / f"{node}.pid"


def namespace(lab: str, node: str) -> str:
    """Return the name of a node's network namespace."""
    return f"{lab}.{node}"


def save(state: LabState) -> None:
    """Write a lab's state so that it is there, whole, whatever happens next."""
    folder = run_folder(state.topology.lab)
    folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
    value = {**asdict(state), "topology": state.topology.as_dict()}
    fresh = folder / f"{_FILE}.new"
    fresh.write_text(json.dumps(value), encoding="utf-8")
    fresh.replace(folder / _FILE)


def load(lab: str) -> LabState | None:
    """Return a lab's state, None if there is no such lab or its state is not readable."""
    try:
        value = json.loads((run_folder(lab) / _FILE).read_text(encoding="utf-8"))
        topology = Topology.of(value["topology"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return LabState(topology, value["stage"], tuple(value["dead"]), tuple(value["cut"]))


def running(lab: str) -> LabState:
    """Return the state of a lab that is up. Raise LabError, listing those that are there, if it is not."""
    state = load(lab)
    if state is None:
        raise LabError(unknown("lab", lab, names()), hint="netdr lab up")
    if state.stage != "up":
        raise LabError(f"the lab {lab} is not complete", why=f"it is {state.stage}", hint="netdr lab up")
    return state


def names() -> tuple[str, ...]:
    """Return the labs that have a state or disks on this machine, sorted."""
    found = {path.name for folder in (RUN, DISKS) if folder.is_dir() for path in folder.iterdir() if path.is_dir()}
    return tuple(sorted(found))


def forget(lab: str) -> None:
    """Remove a lab's state and disks, and the folders of all labs if it was the last."""
    for folder in (disks(lab), run_folder(lab)):
        shutil.rmtree(folder, ignore_errors=True)
    if not names():
        shutil.rmtree(DISKS, ignore_errors=True)


@contextmanager
def lock(lab: str) -> Iterator[None]:
    """Keep other commands from changing the lab meanwhile. Raise LabError at once if one is at it.

    The lock's file goes when the lab is gone.
    """
    path = RUN / f"{lab}.lock"
    with _locked(path) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            if not run_folder(lab).exists():
                path.unlink(missing_ok=True)


def _locked(path: Path) -> TextIO:
    """Return the lock's file, open and locked. One that was removed while it was being locked does not count."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    while True:
        file = path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = f"process {file.read()}"
            file.close()
            what = f"another command is changing the lab {path.stem}"
            raise LabError(what, why=holder, hint="wait for it to end") from None
        if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()
