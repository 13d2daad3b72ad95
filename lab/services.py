"""What the lab puts on a services host so that it can serve: database server, web server, the services' programs.

Everything is ready before a service is active, and nothing is active until ``/etc/netdr/services/<id> start`` is run
(docs/architecture.md, "A service on a host").
"""

from __future__ import annotations

from collections.abc import Mapping

from inventory.network import Network
from lab.files import File

Argv = tuple[str, ...]


def host_files(network: Network, host: str) -> Mapping[str, File]:
    """Return the files of the node ``host`` by absolute path, nothing if it is not a services host.

    Write them once, when the node's disk is made and before its first boot: later the disk keeps what services and
    restores have put there. The same network gives the same files.
    """
    raise NotImplementedError


def boot(network: Network, host: str) -> tuple[Argv, ...]:
    """Return the commands to run inside the node ``host``, one after the other, at every boot, the first included.

    They need the node's own file system, /run and ``lo`` up, and no network. They create the database cluster if the disk has
    none (only then with the initial data), and start the database server on its local socket. They start no
    service. About two seconds the first time. Nothing for a node that is not a services host.
    """
    raise NotImplementedError


def first_start(network: Network, host: str) -> tuple[Argv, ...]:
    """Return the commands that start, inside ``host``, the services whose home is the host's site.

    Run them after ``boot`` when the lab is first brought up, and never again: after that the placement decides.
    They are independent of each other and may run at the same time.
    """
    raise NotImplementedError
