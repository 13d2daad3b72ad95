"""A program that runs all the time on this host: a systemd unit where systemd runs the host, else a process.

Whether it runs is known by a lock that it holds as long as it lives, so it never runs twice, however it was started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.host import Shell
from netdr.kernel.errors import BackupError

UNITS = Path("/etc/systemd/system")
# Seconds to start or to end, and for systemctl.
START = 20.0
# sh: from here on it is the program; what it says goes to its log.
_BEGIN = 'exec >>"$1" 2>&1 </dev/null; echo $$ >"$2"; shift 2; exec "$@"'


@dataclass(frozen=True, slots=True)
class Daemon:
    """One such program. ``name``: its unit without suffix; ``argv``: started as root; ``folder``: its lock and log."""

    name: str
    title: str
    argv: Sequence[str]
    folder: Path

    @property
    def log(self) -> Path:
        """What it said, where systemd does not keep it."""
        return self.folder / f"{self.name}.log"

    def running(self) -> bool:
        """Return whether it runs now."""
        if not self._lock.exists():
            return False
        with self._lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def ensure(self, shell: Shell) -> bool:
        """Make sure that it runs, and will after a restart of the host; return whether it had to be started.

        Raise BackupError with its last words if it does not stay up.
        """
        managed = Path("/run/systemd/system").is_dir()
        self.folder.mkdir(parents=True, exist_ok=True)
        # The unit may find its folder read-only.
        self._lock.touch()
        fresh = managed and self._write_unit()
        if self.running() and not fresh:
            return False
        if managed:
            for words in (["daemon-reload"], ["enable", self.name], ["restart", self.name]):
                shell.run(["systemctl", *words], limit=START)
        else:
            shell.run(
                ["setsid", "--fork", "sh", "-c", _BEGIN, "sh", str(self.log), self._pid, *self._command], limit=START
            )
        self._await(running=True)
        return True

    def stop(self, shell: Shell) -> None:
        """End it, and come back when it has ended. Raise BackupError if it does not."""
        if Path("/run/systemd/system").is_dir():
            shell.run(["systemctl", "stop", self.name], limit=START)
        elif self.running():
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(Path(self._pid).read_text(encoding="ascii")), signal.SIGTERM)
        self._await(running=False)

    def unit(self) -> str:
        """Return its systemd unit."""
        command = " ".join(map(_plain, self._command))
        lines = ["[Unit]", f"Description={self.title}", "After=network-online.target", "Wants=network-online.target"]
        lines += ["StartLimitIntervalSec=0", "", "[Service]", f"ExecStart={command}", "Restart=always", "RestartSec=2"]
        lines += ["ProtectSystem=full", "PrivateTmp=yes", "NoNewPrivileges=yes"]
        return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    @property
    def _pid(self) -> str:
        return str(self.folder / f"{self.name}.pid")

    @property
    def _command(self) -> tuple[str, ...]:
        return ("/usr/bin/flock", "--no-fork", "--nonblock", str(self._lock), *self.argv)

    def _write_unit(self) -> bool:
        path = UNITS / f"{self.name}.service"
        if path.exists() and path.read_text(encoding="utf-8") == self.unit():
            return False
        path.write_text(self.unit(), encoding="utf-8")
        return True

    def _await(self, *, running: bool) -> None:
        end = time.monotonic() + START
        while self.running() != running:
            if time.monotonic() > end:
                words = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
                what = f"{self.title} does not {'start' if running else 'end'}"
                raise BackupError(what, where=self.name, why=" | ".join(words[-2:]), hint=f"see {self.log}")
            time.sleep(0.05)


def _plain(word: str) -> str:
    """Return a word as ExecStart takes it (systemd.service(5), "Command lines")."""
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, written)
    return f'"{word}"' if re.search(r"[\s;'\"]", word) else word
