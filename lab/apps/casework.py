"""The program behind a service that takes in cases: WSGI on a unix socket, a PostgreSQL database below.

* ``GET /health``                   200 when the database answers
* ``POST /cases {"unit", "seq"}``   201 with the case's id and time, sent after the commit: an acknowledged write
* ``GET /cases?unit=U&after=N``     what the database holds of a unit: number, last sequence number, ids after N

The database has ``accept(unit, seq)`` and ``accepted`` (see ``data/*.sql``); what they write to is its own business.
It runs as ``python -m lab.apps.casework SOCKET DATABASE USER`` and gives up root for USER once it listens.
"""

from __future__ import annotations

import json
import os
import pwd
import queue
import signal
import socket
import socketserver
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

import psycopg

# The host's cluster takes 30 connections; several services share it with backups.
CONNECTIONS = 4
BODY_LIMIT = 4096
SECONDS = 5

Answer = tuple[str, dict[str, object]]


class RequestError(Exception):
    """A request that cannot be understood; the text says why."""


class Database:
    """A few connections to one database, made when needed and thrown away together when one breaks."""

    def __init__(self, name: str, host: str | None = None) -> None:
        """Given a database owned by the role of the same name; ``host`` is the socket's folder, None the usual one."""
        self._conninfo = psycopg.conninfo.make_conninfo(
            dbname=name, user=name, host=host, connect_timeout=SECONDS, options=f"-c statement_timeout={SECONDS}s"
        )
        self._slots = queue.LifoQueue[psycopg.Connection | None]()
        for _ in range(CONNECTIONS):
            self._slots.put(None)

    @contextmanager
    def cursor(self) -> Iterator[psycopg.Cursor]:
        """Lend a cursor in a transaction of its own: committed at the end, rolled back on an error.

        Raise psycopg.OperationalError if the database does not answer; the next call connects afresh.
        """
        try:
            slot = self._slots.get(timeout=SECONDS)
        except queue.Empty:
            raise psycopg.OperationalError("every connection is busy") from None
        try:
            connection = slot or psycopg.connect(self._conninfo)
            slot = connection
            with connection.transaction(), connection.cursor() as cursor:
                yield cursor
        except (psycopg.OperationalError, psycopg.InterfaceError):
            # The idle connections went to the same server.
            self.close()
            if slot is not None:
                slot.close()
            slot = None
            raise
        finally:
            self._slots.put(slot)

    def close(self) -> None:
        """Close the idle connections; the next call connects afresh."""
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._slots.get_nowait())
        for connection in idle:
            if connection is not None:
                connection.close()
            self._slots.put(None)


class Casework:
    """The WSGI application over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._routes: dict[tuple[str, str], Callable[[WSGIEnvironment], Answer]] = {
            ("GET", "/health"): self._health,
            ("GET", "/cases"): self._list,
            ("POST", "/cases"): self._file,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request with a JSON object; what fails says why in ``error``."""
        route = self._routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        try:
            status, answer = route(environ) if route else ("404 Not Found", {"error": "no such resource"})
        except RequestError as error:
            status, answer = "400 Bad Request", {"error": str(error)}
        except psycopg.Error as error:
            status, answer = "503 Service Unavailable", {"error": str(error).strip()}
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _health(self, _environ: WSGIEnvironment) -> Answer:
        with self._database.cursor() as cursor:
            cursor.execute("select exists (select from public.accepted)")
        return "200 OK", {"database": "answers"}

    def _file(self, environ: WSGIEnvironment) -> Answer:
        unit, seq = _case(environ)
        with self._database.cursor() as cursor:
            # Text, so that psycopg need not import a loader: after giving up root Python's own folders may be closed.
            cursor.execute("select id::text, to_json(at) from public.accept(%s, %s)", (unit, seq))
            ((number, at),) = cursor.fetchall()
        return "201 Created", {"id": number, "filed_at": at}

    def _list(self, environ: WSGIEnvironment) -> Answer:
        unit, after = _selection(environ)
        with self._database.cursor() as cursor:
            cursor.execute("select id::text, seq from public.accepted where unit = %s order by seq", (unit,))
            rows = cursor.fetchall()
        return "200 OK", {
            "unit": unit,
            "count": len(rows),
            "last_seq": rows[-1][1] if rows else 0,
            "ids": [row[0] for row in rows if row[1] > after],
        }


def _case(environ: WSGIEnvironment) -> tuple[str, int]:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > BODY_LIMIT:
            raise RequestError(f"a case has at most {BODY_LIMIT} bytes")
        case = json.loads(environ["wsgi.input"].read(length))
    except ValueError:
        raise RequestError("expected a JSON object") from None
    match case:
        case {"unit": str(unit), "seq": int(seq)} if unit and 0 < seq < 2**63 and seq is not True:
            return unit, seq
    raise RequestError('expected {"unit": NAME, "seq": NUMBER from 1}')


def _selection(environ: WSGIEnvironment) -> tuple[str, int]:
    fields = parse_qs(environ.get("QUERY_STRING", ""))
    unit, after = fields.get("unit", [""])[0], fields.get("after", ["0"])[0]
    if not unit or not after.isdecimal():
        raise RequestError("expected ?unit=NAME&after=NUMBER")
    return unit, int(after)


class _Handler(WSGIRequestHandler):
    """wsgiref's handler, logging failures only."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code).startswith("5"):
            super().log_request(code, size)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """wsgiref's server on a unix socket, a thread for each request."""

    address_family = socket.AF_UNIX
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "casework", 0
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        # A unix socket's peer has no address, and wsgiref asks for one.
        return self.socket.accept()[0], ("local", 0)


def serve(path: Path, database: str, user: str) -> None:
    """Serve ``database`` on the unix socket ``path`` as ``user`` until SIGTERM."""
    path.unlink(missing_ok=True)
    account = pwd.getpwnam(user)
    address: Any = str(path)  # typeshed knows internet addresses only
    with _Server(address, _Handler) as server, closing(Database(database)) as opened:
        server.set_app(Casework(opened))
        path.chmod(0o666)
        if os.geteuid() == 0:
            os.initgroups(user, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        signal.signal(signal.SIGTERM, _leave)
        server.serve_forever(poll_interval=5)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
