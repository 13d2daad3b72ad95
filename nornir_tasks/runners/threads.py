"""Threads of the controller, the runner that needs nothing: Nornir's own, as wide as pays."""

from __future__ import annotations

from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, Task
from nornir.plugins.runners import ThreadedRunner

from nornir_tasks.runners.job import allow_files

# Devices at once. Most of a step is waiting for devices to commit: with 1,000 that need half a second each, 256 threads
# took half as long as 64, and 512 no less than 256, for 40 MB more.
WIDTH = 256


class Threads:
    """Nornir's ThreadedRunner. Each driver limits the time of each of its answers, so a step ends by itself."""

    def run(self, task: Task, hosts: list[Host]) -> AggregatedResult:
        """Do a task on hosts, ``WIDTH`` at a time."""
        allow_files(len(hosts))
        return ThreadedRunner(min(WIDTH, max(1, len(hosts)))).run(task, hosts)

    def close(self) -> None:
        """Nothing is left between steps."""
