"""Users of every unit at work: a program that visits services from the units' own hosts and writes down what it met.

It runs as a child process of its own: ``python -m lab.visitor`` reads one JSON object (``Errand``'s fields) from its
standard input and works until that is closed, so it ends with the process that started it, however that ends.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import netns
from lab.visits import Visit
from netdr.kernel.errors import LabError

# Longer than any answer takes that a user would call an answer.
TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Errand:
    """What to visit: ``units`` gives each unit's network namespace, ``services`` address, port and whether to write.

    ``visits`` are the pairs of a unit and a service it visits, once per ``interval`` seconds. The log is appended to.
    """

    units: Mapping[str, str]
    services: Mapping[str, tuple[str, int, bool]]
    visits: Sequence[tuple[str, str]]
    interval: float
    log: str


def post(address: str, port: int, unit: str, seq: int) -> str:
    """File a case and return its id: the write is acknowledged. Raise OSError or HTTPException if it is not."""
    with closing(http.client.HTTPConnection(address, port, timeout=TIMEOUT)) as connection:
        connection.request("POST", "/cases", json.dumps({"unit": unit, "seq": seq}))
        return str(json.loads(_body(connection, 201))["id"])


def get(address: str, port: int, path: str, timeout: float = TIMEOUT) -> bytes:
    """Return the body of a page that is there. Raise OSError or HTTPException if it is not."""
    with closing(http.client.HTTPConnection(address, port, timeout=timeout)) as connection:
        connection.request("GET", path)
        return _body(connection, 200)


def _body(connection: http.client.HTTPConnection, wanted: int) -> bytes:
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != wanted:
        raise http.client.HTTPException(f"{answer.status} {answer.reason}")
    return body


class Visitor(threading.Thread):
    """One unit's user of one service."""

    def __init__(self, errand: Errand, unit: str, service: str, log: int) -> None:
        super().__init__(daemon=True)
        self._errand, self._unit, self._service, self._log = errand, unit, service, log
        self._address, self._port, self._writes = errand.services[service]

    def run(self) -> None:
        """Visit once per interval for ever. Units start spread over the interval, so that they do not march in step."""
        try:
            netns.enter(self._errand.units[self._unit])
        except LabError as error:
            self._note(Visit(time.time(), self._unit, self._service, ok=False, why=str(error)))
            return
        order = sorted(self._errand.units).index(self._unit)
        began = time.monotonic() + self._errand.interval * order / len(self._errand.units)
        seq, before = 0, None
        while True:
            time.sleep(max(0.0, began - time.monotonic()))
            began = max(began + self._errand.interval, time.monotonic())
            seq += 1
            visit = self._visit(seq)
            if visit.id or visit.ok != before:
                self._note(visit)
            before = visit.ok

    def _visit(self, seq: int) -> Visit:
        found, why = "", ""
        try:
            if self._writes:
                found = post(self._address, self._port, self._unit, seq)
            else:
                get(self._address, self._port, "/health")
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
        return Visit(time.time(), self._unit, self._service, ok=not why, id=found, seq=seq if found else 0, why=why)

    def _note(self, visit: Visit) -> None:
        """Append one line in one write, so that lines of several threads do not mix and a killed process loses none."""
        os.write(self._log, (json.dumps(asdict(visit)) + "\n").encode())


def main() -> None:
    """Work until the standard input is closed."""
    errand = Errand(**json.loads(sys.stdin.readline()))
    log = os.open(Path(errand.log), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for unit, service in errand.visits:
        Visitor(errand, unit, service, log).start()
    sys.stdin.read()
    # The threads may be in the middle of a visit, which is then one without an acknowledgement.
    os._exit(os.EX_OK)


if __name__ == "__main__":
    main()
