"""A Dask cluster on this machine: a real scheduler and real workers, for tests and for the bench."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
# Seconds for the scheduler, and then the workers, to be there on a busy machine.
_START_S = 60
T = TypeVar("T")
# Workers keep no dashboard, leave their memory alone (they wait for devices), and end when their scheduler is gone.
_QUIET = ["--no-dashboard", "--no-nanny", "--death-timeout", "60", "--memory-limit", "0", "--nthreads", "64"]


@dataclass(frozen=True)
class Cluster:
    """A scheduler's address, and its workers' processes by address."""

    address: str
    workers: Mapping[str, subprocess.Popen[bytes]]


@contextmanager
def cluster(folder: Path, workers: int, tls: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Start a scheduler and workers, with their files in ``folder``; end them whatever happens.

    ``tls`` has options of ``dask``, such as ``--tls-cert``; without it all speak in the clear, on this machine only.
    Raise TimeoutError, with where they wrote what, if they do not come up within a minute each.
    """
    options = [word for pair in (tls or {}).items() for word in pair]
    with ExitStack() as stack:
        file = folder / "scheduler.json"
        local = ["--host", f"{'tls' if tls else 'tcp'}://127.0.0.1"]
        argv = [
            "scheduler",
            *local,
            "--port",
            "0",
            "--dashboard-address",
            "127.0.0.1:0",
            "--scheduler-file",
            str(file),
            *options,
        ]
        stack.enter_context(_program(folder, "scheduler", argv))
        address = str(_awaited(lambda: json.loads(file.read_text(encoding="utf-8")), folder)["address"])
        found = {}
        for number in range(workers):
            name = f"worker-{number}"
            argv = ["worker", address, "--name", name, *local, "--local-directory", str(folder), *_QUIET, *options]
            found[name] = stack.enter_context(_program(folder, name, argv))
        yield Cluster(address, {_address(folder, name): process for name, process in found.items()})


@contextmanager
def _program(folder: Path, name: str, argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


def _address(folder: Path, name: str) -> str:
    """Return where a worker listens, once it has registered."""

    def told() -> str:
        lines = (folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
        assert any("Registered to" in line for line in lines)  # noqa: S101 - not yet
        return next(line.split()[-1] for line in lines if "Start worker at" in line)

    return _awaited(told, folder)


def _awaited(find: Callable[[], T], folder: Path) -> T:
    """Return what ``find`` returns as soon as it finds it."""
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return find()
        except (OSError, ValueError, AssertionError):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cluster does not come up; its words are in {folder}/*.log") from None
            time.sleep(0.1)
