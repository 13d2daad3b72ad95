"""Where the steps of a change are done: the same fleet over threads, processes of this machine, or a cluster.

    netdr deploy --runner threads | processes | dask:tls://HOST:8786

Each runner is a Nornir runner in a file of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, Task

from netdr.kernel.errors import UsageError, unknown
from nornir_tasks.runners.pinned import Pinned
from nornir_tasks.runners.processes import Processes
from nornir_tasks.runners.threads import Threads

DEFAULT = "threads"
NAMES = (DEFAULT, "processes", "dask:ADDRESS")


class Runner(Protocol):
    """Nornir's runner, and its end."""

    def run(self, task: Task, hosts: list[Host]) -> AggregatedResult:
        """Do the ``order`` in a task's parameters (``job.Order``) on hosts, and return when all have replied."""

    def close(self) -> None:
        """Close what is kept between steps. What is pending on devices stays pending."""


def chosen(name: str, state: Path) -> Runner:
    """Return the runner that a text asks for.

    Raise UsageError, with the known ones, if there is none; as ``dask.connected`` does for a cluster, whose
    certificates are in ``state``.
    """
    kind, _, address = name.partition(":")
    if name == DEFAULT:
        return Threads()
    if name == "processes":
        return Pinned(Processes())
    if kind == "dask" and address:
        from nornir_tasks.runners import dask  # noqa: PLC0415 - optional, and slow to load

        return Pinned(dask.connected(address, state))
    raise UsageError(unknown("runner", name, NAMES))
