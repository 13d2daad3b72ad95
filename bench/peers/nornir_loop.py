"""The peer of the benches of deployment: nornir_napalm as its documentation shows it, with our drivers.

    python nornir_loop.py INVENTORY FOLDER WORKERS [--dry-run]

Every device of the inventory gets what is in ``FOLDER/DEVICE.cfg``, or, with ``--dry-run``, shows its difference to
that; the status is 1 if one does not.
"""

from __future__ import annotations

import sys

from nornir import InitNornir
from nornir.core.task import Result, Task
from nornir_napalm.plugins.tasks import napalm_configure


def main(inventory: str, folder: str, workers: str, *dry: str) -> int:
    """Replace the configuration of every device at once; return the exit status."""

    def configure(task: Task) -> Result:
        done = task.run(napalm_configure, filename=f"{folder}/{task.host.name}.cfg", replace=True, dry_run=bool(dry))
        return Result(host=task.host, changed=done.changed)

    nornir = InitNornir(
        inventory={"plugin": "SimpleInventory", "options": {"host_file": inventory}},
        runner={"plugin": "threaded", "options": {"num_workers": int(workers)}},
        logging={"enabled": False},
    )
    results = nornir.run(task=configure)
    nornir.close_connections()
    for name, result in results.failed_hosts.items():
        sys.stderr.write(f"{name}: {result[-1].exception or result[-1].result}\n")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
