"""The DR site's append-only backup server over TLS, one credential and one path per asset.

It is restic's own rest-server where that is installed (it checks what it is sent, and leaves nothing half-written), and
else ``rclone serve restic``, which every Debian has; both speak the same protocol.

It runs as the account ``backup``. The home site can add and read; to delete or overwrite is refused (403), except for
restic's own locks.
"""

from __future__ import annotations

import base64
import http.client
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from backup.host import ENVIRONMENT
from backup.restic import Repository
from netdr.kernel.errors import BackupError

# Debian's static account for such work (base-passwd), on every system.
ACCOUNT = "backup"
RCLONE, REST_SERVERS = "rclone", ("restic-rest-server", "rest-server")
UNIT = "netdr-backup-server.service"
# Seconds.
ANSWER, START = 10.0, 20.0


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the server listens and what it needs to be itself."""

    address: str
    port: int
    folder: Path
    repositories: Path

    @property
    def certificate(self) -> Path:
        """The certificate it shows."""
        return self.folder / "server.crt"

    @property
    def key(self) -> Path:
        """The certificate's private key."""
        return self.folder / "server.key"

    @property
    def passwords(self) -> Path:
        """The hashes of the services' credentials."""
        return self.folder / "htpasswd"


def program() -> str:
    """Return which server this host has: Debian's name of rest-server, its own name, or rclone."""
    return next((name for name in REST_SERVERS if shutil.which(name)), RCLONE)


def argv(listener: Listener, name: str = RCLONE) -> list[str]:
    """Return the command line of the server that is run by the program ``name`` (see ``program``)."""
    return [*drop(), name, *(_rclone(listener) if name == RCLONE else _rest_server(listener))]


def _rest_server(listener: Listener) -> list[str]:
    flags = ["--append-only", "--private-repos", "--tls", "--tls-min-ver=1.2"]
    files = [f"--tls-cert={listener.certificate}", f"--tls-key={listener.key}"]
    place = [f"--listen={listener.address}:{listener.port}", f"--path={listener.repositories}"]
    return [*flags, *files, f"--htpasswd-file={listener.passwords}", *place]


def _rclone(listener: Listener) -> list[str]:
    # Objects are not cached: what the disk has is what is served.
    flags = ["--append-only", "--private-repos", "--cache-objects=false", "--min-tls-version=tls1.2"]
    files = [f"--cert={listener.certificate}", f"--key={listener.key}", f"--htpasswd={listener.passwords}"]
    place = [f"--addr={listener.address}:{listener.port}", str(listener.repositories)]
    return ["serve", "restic", "--config=/dev/null", *flags, *files, *place]


def drop() -> list[str]:
    """Return the command line that gives up root for the server's account."""
    return ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--clear-groups", "--no-new-privs", "--"]


def ensure(listener: Listener) -> bool:
    """Make sure that the server runs and return whether it had to be started. Raise BackupError if it does not start.

    Where systemd runs the host, the server is a unit that comes back after a restart; elsewhere it is a process.
    """
    if listens(listener):
        return False
    log = _enable(listener) if Path("/run/systemd/system").is_dir() else str(_start(listener))
    end = time.monotonic() + START
    while not listens(listener):
        if time.monotonic() > end:
            raise BackupError("the backup server does not start", where=f"{listener.address}:{listener.port}", hint=log)
        time.sleep(0.05)
    return True


def sweep(listener: Listener) -> tuple[Path, ...]:
    """Remove empty files from the repositories and return them.

    rclone leaves them, under valid names, when the disk is full, and then refuses for ever to have them written again.
    Nothing of restic's is empty, and files of the last minute may be on their way.
    """
    old = time.time() - 60
    empty = [
        path
        for path in listener.repositories.glob("*/*/**/*")
        if path.is_file() and not path.stat().st_size and path.stat().st_mtime < old
    ]
    for path in empty:
        path.unlink()
    return tuple(empty)


def probe(repository: Repository) -> None:
    """Raise BackupError, with the precise reason, unless the server lets us see ``repository`` now.

    restic from 0.18 on goes on trying for minutes where this says at once what is wrong.
    """
    if not exists(repository):
        raise BackupError("there is no repository yet", where=repository.label, hint=_INIT)


def exists(repository: Repository) -> bool:
    """Return whether the server has ``repository``. Raise BackupError if it does not let us see."""
    status = _status(repository)
    if status in {200, 404}:
        return status == 200
    reasons = {401: "the backup server refused the credential", 403: "the credential is for another service"}
    what = reasons.get(status, f"the backup server answers {status}")
    raise BackupError(what, where=repository.label, hint=f"{_INIT}; the server's log is on the DR host")


def _status(repository: Repository) -> int:
    pinned = repository.cacert
    try:
        url = urlsplit(repository.location.read_text(encoding="utf-8").strip().removeprefix("rest:"))
        trust = ssl.create_default_context(cafile=pinned)
    except OSError as error:
        raise BackupError("this host has no access to the DR copy", where=str(error.filename), hint=_INIT) from error
    word = base64.b64encode(f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode()).decode()
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=ANSWER, context=trust)
    try:
        connection.request("HEAD", f"{url.path}config", headers={"Authorization": f"Basic {word}"})
        return connection.getresponse().status
    except ssl.SSLError as error:
        what = "the backup server does not show the pinned certificate"
        hint = "find out why before you run netdr backup init"
        raise BackupError(what, where=repository.label, why=error.reason or str(error), hint=hint) from error
    except (OSError, http.client.HTTPException) as error:
        what = "the backup server does not answer"
        hint = "check the DR host and the path to it; netdr backup init starts the server"
        raise BackupError(what, where=repository.label, why=str(error), hint=hint) from error
    finally:
        connection.close()


_INIT = "run netdr backup init on a controller"


def listens(listener: Listener) -> bool:
    """Return whether something answers where the server listens."""
    try:
        socket.create_connection((listener.address, listener.port), timeout=1).close()
    except OSError:
        return False
    return True


def unit(listener: Listener) -> str:
    """Return the systemd unit of the server."""
    command = " ".join(argv(listener, program()))
    lines = ["[Unit]", "Description=netdr backup server", "After=network-online.target", "Wants=network-online.target"]
    lines += ["", "[Service]", f"ExecStart={command}", "Restart=on-failure", "RestartSec=2", "ProtectSystem=full"]
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def _enable(listener: Listener) -> str:
    (Path("/etc/systemd/system") / UNIT).write_text(unit(listener), encoding="utf-8")
    for words in (["daemon-reload"], ["enable", UNIT], ["restart", UNIT]):
        subprocess.run(["systemctl", *words], check=False, timeout=START, env=ENVIRONMENT)
    return f"journalctl -u {UNIT}"


def _start(listener: Listener) -> Path:
    log = listener.folder / "server.log"
    with log.open("a", encoding="utf-8") as output:
        started = subprocess.run(
            ["setsid", "--fork", *argv(listener, program())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**ENVIRONMENT, "HOME": "/nonexistent"},
            cwd="/",
            timeout=START,
            check=False,
        )
    if started.returncode != 0:
        raise BackupError("the backup server cannot be started", where=str(log), hint="apt-get install rclone")
    return log
