"""Servers that live as long as a proof: a PostgreSQL cluster made from nothing, an nginx that serves restored files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backup.bubble import Bubble
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from netdr.kernel.errors import NetdrError, ProofError

# Seconds until a server answers; both take well under one on an idle host.
START = 60.0
# Where clients look for a server (Debian's libpq).
SOCKETS = Path("/run/postgresql")
# No crash is survived here, so nothing waits for the disk (PostgreSQL manual, "Non-Durable Settings").
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
}

_NGINX = """\
daemon off;
pid {work}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  include /etc/nginx/mime.types;
  access_log off;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def listening(port: int) -> list[str]:
    """Return the command that prints a line for each socket that listens on a TCP port."""
    return ["ss", "-Hltn", f"sport = :{port}"]


@contextmanager
def cluster(bubble: Bubble, work: Path, port: int = 5432) -> Iterator[Cluster]:
    """Run a new, empty PostgreSQL cluster in the bubble, its files below the new folder ``work``, while the block runs.

    It listens where Debian's main cluster does, on ``SOCKETS`` and on loopback, and trusts whoever is in the bubble.
    The account postgres must be able to pass through the parents of ``work``, whose path has at most 80 characters
    (a unix socket's has 107). Raise ProofError if it does not start.
    """
    work.mkdir(mode=0o700)
    shutil.chown(work, "postgres", "postgres")
    bin_folder, data = programs(VERSIONS), work / "data"
    initdb = ["initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]
    made = bubble.run([*AS_POSTGRES, f"{bin_folder}/{initdb[0]}", *initdb[1:], f"--pgdata={data}"], limit=START)
    if made.code != 0:
        raise ProofError("a throw-away PostgreSQL cluster cannot be made", where=bubble.name, why=made.last_words)
    bubble.run(["install", "--directory", "--owner=postgres", "--group=postgres", str(SOCKETS)], limit=START)
    settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": f"{work},{SOCKETS}"}
    listed = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = [*AS_POSTGRES, f"{bin_folder}/postgres", "-D", str(data), *listed]
    found = Cluster(bubble, bin_folder, socket=work, port=port)
    with bubble.serving(server, lambda: _answers(found), log=work / "log", limit=START):
        yield found


@contextmanager
def web(bubble: Bubble, root: Path, work: Path, port: int) -> Iterator[None]:
    """Serve the files below ``root`` with nginx at 127.0.0.1:``port`` in the bubble while the block runs.

    Raise ProofError if it does not start.
    """
    work.mkdir(mode=0o711)
    configuration = work / "nginx.conf"
    configuration.write_text(_NGINX.format(work=work, port=port, root=root), encoding="utf-8")
    server = ["nginx", "-e", "stderr", "-p", str(work), "-c", str(configuration)]

    def ready() -> bool:
        return bool(bubble.run(listening(port), limit=START).out.strip())

    with bubble.serving(server, ready, log=work / "log", limit=START):
        yield


def _answers(found: Cluster) -> bool:
    if not (found.socket and (found.socket / f".s.PGSQL.{found.port}").exists()):
        return False
    try:
        return found.query("SELECT 1") == [["1"]]
    except NetdrError:
        return False
