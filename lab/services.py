"""What the lab puts on a services host so that it can serve: database server, web server, the services' programs.

Everything is ready before a service is active, and nothing is active until ``/etc/netdr/services/<id> start`` is run
(docs/architecture.md, "A service on a host"). What runs on the host is in ``lab/apps/``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template

from inventory.asset import Files, Postgres, Service
from inventory.network import Network, Node
from lab import pages
from lab.apps.service import Service as Description
from lab.files import File
from netdr.kernel.errors import LabError, unknown

Argv = tuple[str, ...]

VERBS = Path("/etc/netdr/services")
APPS = Path("/etc/netdr/apps")
DATA = Path(__file__).parent / "apps" / "data"
# The account Debian has for programs that serve the web (base-passwd).
USER = "www-data"

_CASEWORK = """\
        location = /health { proxy_pass http://unix:$socket; }
        location = /cases { proxy_pass http://unix:$socket; }"""
_PAGES = """\
        location = /health { try_files /index.html =503; }"""


def host_files(network: Network, host: str) -> Mapping[str, File]:
    """Return the files of the node ``host`` by absolute path, nothing if it is not a services host.

    Write them once, when the node's disk is made and before its first boot: later the disk keeps what services and
    restores have put there. The same network gives the same files. Raise LabError for a service that the lab has no
    program for.
    """
    node = network.node(host)
    if node.role != "services":
        return {}
    files = dict(_database(network, node))
    for service in network.district.services:
        files |= program(service, str(network.services[service.id]))
        if service.home == node.site:
            files |= _pages(network, service)
    return files


def boot(network: Network, host: str) -> tuple[Argv, ...]:
    """Return the commands to run inside the node ``host``, one after the other, at every boot, the first included.

    They need the node's own file system, /run and ``lo`` up, and no network. They create the database cluster if the
    disk has none (only then with the initial data), and start the database server on its local socket. They start no
    service. About two seconds the first time. Nothing for a node that is not a services host.
    """
    if network.node(host).role != "services":
        return ()
    return ((sys.executable, "-m", "lab.apps.database", str(APPS / "database.json")),)


def first_start(network: Network, host: str) -> tuple[Argv, ...]:
    """Return the commands that start, inside ``host``, the services whose home is the host's site.

    Run them after ``boot`` when the lab is first brought up, and never again: after that the placement decides.
    They are independent of each other and may run at the same time.
    """
    node = network.node(host)
    if node.role != "services":
        return ()
    return tuple((str(VERBS / s.id), "start") for s in network.district.services if s.home == node.site)


def web_port(service: Service) -> int:
    """Return the TCP port on which the lab asks a service for its health: the first it publishes."""
    return _tcp_ports(service)[0]


def _tcp_ports(service: Service) -> tuple[int, ...]:
    """Return the ports to listen on; ICMP needs no listener. Raise LabError if there is none, or a UDP one."""
    protocols = [port.partition("/") for port in service.ports if port != "icmp"]
    if not protocols or any(protocol != "tcp" for protocol, _, _ in protocols):
        ports = ", ".join(service.ports)
        raise LabError("the lab's programs serve TCP", where=f"service {service.id}", why=f"its ports are {ports}")
    return tuple(int(number) for _, _, number in protocols)


def _database(network: Network, node: Node) -> Iterator[tuple[str, File]]:
    owners = [
        (s, source.database) for s in network.district.services for source in s.data if source.kind == "postgresql"
    ]
    settings = APPS / "postgresql.conf"
    wanted = {
        "settings": str(settings),
        "roles": [database for _, database in owners],
        "load": {database: str(_data_set(database)) for service, database in owners if service.home == node.site},
    }
    yield str(APPS / "database.json"), File(json.dumps(wanted, indent=2) + "\n")
    conf = Template((DATA / "postgresql.conf").read_text(encoding="utf-8")).substitute(address=node.loopback)
    yield str(settings), File(conf)
    yield str(APPS / "pg_hba.conf"), File((DATA / "pg_hba.conf").read_text(encoding="utf-8"))
    grants = [("postgres", "postgres"), ("root", "postgres"), *((USER, database) for _, database in owners)]
    ident = "".join(f"netdr {account} {role}\n" for account, role in grants)
    yield str(APPS / "pg_ident.conf"), File(ident)


def _data_set(database: str) -> Path:
    """Return the SQL file of a database: the one named like it, else the general one."""
    own = DATA / f"{database}.sql"
    return own if own.exists() else DATA / "record.sql"


def program(service: Service, address: str, verbs: Path = VERBS, apps: Path = APPS) -> Mapping[str, File]:
    """Return what starts and stops a service at its ``address``, by absolute path: below ``verbs`` and ``apps``.

    Raise LabError if the lab has no program for it.
    """
    databases = [source.database for source in service.data if isinstance(source, Postgres)]
    app = _app(service, databases)
    description = Description(
        id=service.id,
        address=address,
        port=web_port(service),
        database=databases[0] if app == "casework" else "",
        user=USER,
        web=str(apps / f"{service.id}.nginx"),
    )
    path = apps / f"{service.id}.json"
    verb = f'#!/bin/sh\n# start | stop | status\nexec {sys.executable} -m lab.apps.service {path} "$@"\n'
    return {
        str(verbs / service.id): File(verb, mode=0o755),
        str(path): File(json.dumps(asdict(description), indent=2) + "\n"),
        description.web: File(_nginx(service, description)),
    }


def _app(service: Service, databases: list[str]) -> str:
    """Return the service's app. Raise LabError if the lab has none of that name, or it lacks its database."""
    if service.app not in {"casework", "pages"}:
        raise LabError(unknown("app", service.app, ("casework", "pages")), where=f"service {service.id}")
    if service.app == "casework" and not databases:
        raise LabError("casework needs a postgresql data source", where=f"service {service.id}")
    return service.app


def _nginx(service: Service, description: Description) -> str:
    folders = [source.path for source in service.data if isinstance(source, Files)]
    locations = _CASEWORK if service.app == "casework" else _PAGES
    return Template((DATA / "nginx.conf").read_text(encoding="utf-8")).substitute(
        user=USER,
        folder=description.folder,
        log=description.log,
        root=folders[0] if folders else "/nonexistent",
        listen="\n".join(f"        listen {description.address}:{port};" for port in _tcp_ports(service)),
        locations=Template(locations).substitute(socket=description.socket),
    )


def _pages(network: Network, service: Service) -> Mapping[str, File]:
    folders = [source.path for source in service.data if isinstance(source, Files)]
    texts = pages.tree(network, service)
    return {f"{folder}/{name}": File(text) for folder in folders for name, text in texts.items()}
