"""One service on a services host: start it, stop it, say how it is (docs/architecture.md, "A service on a host").

``/etc/netdr/services/<id>`` runs this with the service's description. Exit codes are those of LSB init scripts: 0 done
or serving, 3 not serving, others a failure whose text is on standard error.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.apps import database
from lab.commands import run
from netdr.kernel.errors import LabError, MissingError, NetdrError, Problems, UsageError, unknown

START_SECONDS = 15.0
STOP_SECONDS = 5.0
NOT_SERVING = 3


@dataclass(frozen=True, slots=True)
class Service:
    """What a host knows of a service. ``database`` is empty for one that only shows pages."""

    id: str
    address: str
    port: int
    database: str
    user: str
    web: str

    @property
    def folder(self) -> Path:
        """Where the running service has its socket and process ids."""
        return Path("/run/netdr") / self.id

    @property
    def log(self) -> Path:
        """What its program and web server say."""
        return Path("/var/log/netdr") / f"{self.id}.log"

    @property
    def socket(self) -> Path:
        """Where the web server finds the program."""
        return self.folder / "app.sock"


def start(service: Service) -> None:
    """Bring the service up; what runs already is left alone. Raise LabError if it does not answer in time."""
    service.folder.mkdir(parents=True, exist_ok=True)
    service.log.parent.mkdir(parents=True, exist_ok=True)
    run(("ip", "address", "replace", f"{service.address}/32", "dev", "lo"))
    if service.database:
        database.start()
        if _pid(service, "app") is None:
            _start_program(service)
    if _pid(service, "nginx") is None:
        _wait(lambda: not service.database or service.socket.exists(), START_SECONDS)
        run(("nginx", "-e", str(service.log), "-c", service.web))
    if not _wait(lambda: not _refusal(service), START_SECONDS):
        why = _refusal(service)
        raise LabError("started but does not serve", where=service.id, why=why, hint=f"see {service.log}")


def stop(service: Service) -> None:
    """End the service: no request is taken after this returns, and the address is gone.

    Raise Problems with what could not be ended; everything else has been.
    """
    problems: list[NetdrError] = []
    for part, signals in (("nginx", (signal.SIGQUIT, signal.SIGTERM)), ("app", (signal.SIGTERM, signal.SIGKILL))):
        if not _end(service, part, *signals):
            problems.append(LabError(f"{part} does not end", where=service.id, hint="stop the whole host"))
    try:
        if _has_address(service):
            run(("ip", "address", "del", f"{service.address}/32", "dev", "lo"))
    except LabError as error:
        problems.append(error)
    if problems:
        raise Problems(problems)


def status(service: Service) -> dict[str, object]:
    """Return how the service is: ``serving`` is true when it is whole and answers a request to its own address well.

    Without the address of its own here, a request would be answered by the other site.
    """
    parts = {"address": _has_address(service), "web": _pid(service, "nginx") is not None}
    if service.database:
        parts |= {"program": _pid(service, "app") is not None, "database": database.answers()}
    missing = ", ".join(name for name, there in parts.items() if not there)
    why = f"not there: {missing}" if missing else _refusal(service)
    return {"service": service.id, "address": service.address, "serving": not why, "parts": parts, "problem": why}


def _start_program(service: Service) -> None:
    service.socket.unlink(missing_ok=True)
    argv = (sys.executable, "-m", "lab.apps.casework", str(service.socket), service.database, service.user)
    with service.log.open("ab") as log:
        program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (service.folder / "app.pid").write_text(f"{program.pid}\n", encoding="ascii")


def _pid(service: Service, part: str) -> int | None:
    """Return the process id of a part that runs; a pid file left by another boot names nobody or a stranger."""
    try:
        pid = int((service.folder / f"{part}.pid").read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    own = {"app": str(service.socket), "nginx": service.web}[part]
    return pid if own.encode() in command else None


def _end(service: Service, part: str, *signals: signal.Signals) -> bool:
    """Send one signal after the other until the part has ended; return whether it has."""
    for number in signals:
        pid = _pid(service, part)
        if pid is None:
            return True
        os.kill(pid, number)
        _wait(lambda: _pid(service, part) is None, STOP_SECONDS / 2)
    return _pid(service, part) is None


def _has_address(service: Service) -> bool:
    shown = json.loads(
        run(("ip", "-json", "address", "show", "dev", "lo", "to", f"{service.address}/32")).stdout or "[]"
    )
    return any(link.get("addr_info") for link in shown)


def _refusal(service: Service) -> str:
    """Return why the service does not answer ``GET /health`` at its own address, nothing if it does."""
    connection = http.client.HTTPConnection(service.address, service.port, timeout=3)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{service.address} port {service.port}: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{answer.status} {answer.reason}{_explanation(said)}"


def _explanation(body: bytes) -> str:
    """Return what the program says about a refusal; the web server's own pages say nothing more than the status."""
    try:
        return f": {json.loads(body)['error']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; return whether it did within ``seconds``."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _alone(service: Service) -> Iterator[None]:
    """Let one call at a time change a service. Raise LabError if another one does not end."""
    folder = Path("/run/netdr")
    folder.mkdir(exist_ok=True)
    with (folder / f"{service.id}.lock").open("w", encoding="ascii") as lock:
        if not _wait(lambda: _locked(lock.fileno()), START_SECONDS):
            raise LabError("another start or stop is still running", where=service.id)
        yield


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def act(service: Service, verb: str) -> int:
    """Do one of ``start``, ``stop`` and ``status``; return the exit code. Raise UsageError for another verb."""
    if verb == "status":
        found = status(service)
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
        return os.EX_OK if found["serving"] else NOT_SERVING
    actions = {"start": start, "stop": stop}
    if verb not in actions:
        raise UsageError(unknown("verb", verb, ("start", "stop", "status")), where=service.id)
    if os.geteuid() != 0:
        raise MissingError(f"{verb} needs root", where=service.id, hint=f"sudo /etc/netdr/services/{service.id} {verb}")
    with _alone(service):
        actions[verb](service)
    return os.EX_OK


def main(path: str, verb: str) -> int:
    """Do ``verb`` for the service described by the JSON file at ``path``; return the exit code."""
    try:
        return act(Service(**json.loads(Path(path).read_text(encoding="utf-8"))), verb)
    except NetdrError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
