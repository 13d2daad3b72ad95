"""The exporter's HTTP server: snmp_exporter's interface, on a loopback address.

``GET /snmp?target=T&module=A,B&auth=U`` answers a scrape: 400 for what is unknown, 500 with the cause for what failed,
so that ``up`` is 0. ``GET /backup?target=HOST`` hands on what a host says of its backups. ``/metrics`` is the
exporter's own, ``/-/healthy`` says that it runs. HTTP is served by threads, SNMP by the loop that ``serve`` runs in.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from monitoring.render import CONTENT_TYPE
from monitoring.scrape import Request, Scraper
from monitoring.telemetry import Telemetry
from netdr.kernel.errors import MonitorError, NetdrError, UsageError

log = logging.getLogger(__name__)

# Prometheus says how long it waits; the answer has to be there a little before.
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
DEFAULT_TIMEOUT_S = 10.0
MARGIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a text."""

    status: int
    body: str


# Given a host's id and how many seconds it may take, return its metrics as text. Raise UsageError for an unknown host,
# another NetdrError if it does not answer.
AskHost = Callable[[str, float], str]


def parse_request(query: str, timeout: str | None, default_auth: str) -> Request:
    """Given a query and Prometheus' timeout header, return the request. Raise UsageError if it is not one."""
    fields = parse_qs(query)
    target = _target(fields, "/snmp?target=DEVICE&module=if_mib")
    if len(fields.get("auth", [])) > 1:
        raise UsageError("'auth' may be given once")
    modules = tuple(name for given in fields.get("module", ["if_mib"]) for name in given.split(",") if name)
    auth = fields.get("auth", [default_auth])[0]
    return Request(target, modules, auth, timeout_s=parse_timeout(timeout))


def _target(fields: Mapping[str, list[str]], example: str) -> str:
    found = fields.get("target", [])
    if len(found) != 1:
        raise UsageError("'target' has to be given once", hint=example)
    return found[0]


def parse_timeout(header: str | None) -> float:
    """Return how many seconds an answer may take. Raise UsageError if Prometheus' header is not a number."""
    try:
        seconds = float(header) if header else DEFAULT_TIMEOUT_S
    except ValueError:
        raise UsageError(f"not a number of seconds: {header!r}", where=TIMEOUT_HEADER) from None
    return max(seconds - MARGIN_S, MARGIN_S)


class Exporter(ThreadingHTTPServer):
    """The HTTP server. ``server_address`` says where it listens once it is made."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], scraper: Scraper, telemetry: Telemetry, default_auth: str, backups: AskHost
    ) -> None:
        """Listen on an address. Raise MonitorError if that is not possible."""
        self.loop = asyncio.get_running_loop()
        self.scraper, self.telemetry, self.default_auth, self.backups = scraper, telemetry, default_auth, backups
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise MonitorError(
                "cannot listen", where=where, why=str(error), hint="is another exporter running?"
            ) from error

    async def serve(self, stop: asyncio.Event) -> None:
        """Answer requests until ``stop`` is set."""
        serving = asyncio.create_task(asyncio.to_thread(self.serve_forever, 0.2))
        try:
            await stop.wait()
        finally:
            await asyncio.to_thread(self.shutdown)
            await serving
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Tell of a failure, unless it is only that the client has gone or that the exporter is being stopped."""
        if isinstance(sys.exception(), ConnectionError | CancelledError):
            log.debug("no answer to %s", client_address)
        else:
            super().handle_error(request, client_address)

    def scrape(self, query: str, timeout: str | None) -> Reply:
        """Answer ``/snmp``, called from a thread of the HTTP server."""
        try:
            request = parse_request(query, timeout, self.default_auth)
            return Reply(200, self._ask(request))
        except UsageError as error:
            self.telemetry.refused()
            return Reply(400, f"{error.report()}\n")
        except MonitorError as error:
            log.warning("scrape failed: %s", error)
            return Reply(500, f"An error has occurred while serving metrics:\n\nsnmp_error {error.report()}\n")

    def backup(self, query: str, timeout: str | None) -> Reply:
        """Answer ``/backup``, called from a thread of the HTTP server."""
        try:
            host = _target(parse_qs(query), "/backup?target=HOST")
            return Reply(200, self.backups(host, parse_timeout(timeout)))
        except UsageError as error:
            self.telemetry.refused()
            return Reply(400, f"{error.report()}\n")
        except NetdrError as error:
            log.warning("backups: %s", error)
            return Reply(500, f"{error.report()}\n")

    def _ask(self, request: Request) -> str:
        """Have the event loop answer. Raise MonitorError if it is too busy even to notice that time is over."""
        answer = asyncio.run_coroutine_threadsafe(self.scraper.scrape(request), self.loop)
        try:
            return answer.result(request.timeout_s + MARGIN_S)
        except TimeoutError:
            answer.cancel()
            raise MonitorError("the exporter is too busy to answer in time", where=request.target) from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Prometheus keeps connections open between scrapes; one that is silent for longer is closed.
    timeout = 300

    def do_GET(self) -> None:
        server = cast(Exporter, self.server)
        url = urlsplit(self.path)
        if url.path == "/snmp":
            self._send(server.scrape(url.query, self.headers.get(TIMEOUT_HEADER)))
        elif url.path == "/backup":
            self._send(server.backup(url.query, self.headers.get(TIMEOUT_HEADER)))
        elif url.path == "/metrics":
            self._send(Reply(200, server.telemetry.text().decode()))
        elif url.path == "/-/healthy":
            self._send(Reply(200, "Healthy\n"))
        else:
            self._send(Reply(404, "known paths: /snmp, /backup, /metrics, /-/healthy\n"))

    def _send(self, reply: Reply) -> None:
        body = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *values: object) -> None:
        log.debug(form, *values)
