"""A bubble: network, process and IPC namespaces of their own, in which restored data is started.

Nothing in it can reach or be reached by the network, so it uses the ports of the real service; nothing started in it
outlives it, even if netdr is killed. The file system is the host's, unix sockets too: everything gets a private folder.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup.host import ENVIRONMENT, LocalShell, Observer, Result, Watch
from netdr.kernel.errors import MissingError, ProofError

_HOLD = "ip link set lo up && echo ready && exec sleep infinity"


@dataclass(frozen=True, slots=True)
class Bubble:
    """An open bubble. A ``host.Shell``: what ``run`` runs, runs inside."""

    name: str
    holder: int

    def argv(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs ``argv`` inside."""
        spaces = Path("/proc") / str(self.holder) / "ns"
        inside = [f"--net={spaces}/net", f"--ipc={spaces}/ipc", f"--pid={spaces}/pid_for_children"]
        return ["nsenter", *inside, "--", *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        """See ``host.Shell.run``."""
        return LocalShell(self.name).run(self.argv(argv), limit=limit, stdin=stdin, cwd=cwd, watch=watch)

    @contextmanager
    def serving(self, argv: Sequence[str], ready: Callable[[], bool], *, log: Path, limit: float) -> Iterator[None]:
        """Run a server inside while the block runs. Raise ProofError with its log if it is not ready in ``limit`` s."""
        with log.open("w", encoding="utf-8") as output:
            server = _spawn(self.argv(argv), output.fileno())
        try:
            _await(server, ready, log, limit)
            yield
        finally:
            _end(server)


@contextmanager
def blow(name: str) -> Iterator[Bubble]:
    """Open a bubble and, whatever happens, end everything in it. Raise MissingError if it cannot be made."""
    # setpriv: if the thread that made the bubble dies, so does unshare, and with it (--kill-child) everything inside.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--ipc", "--pid", "--fork", "--kill-child"]
    holder = subprocess.Popen(
        [*command, "sh", "-c", _HOLD],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
    )
    with holder:
        try:
            if holder.stdout is None or holder.stdout.readline() != "ready\n":
                why = holder.stderr.read().strip() if holder.stderr else ""
                raise MissingError(
                    "an isolated bubble cannot be made", why=why, hint="run as root on a host with unshare"
                )
            yield Bubble(name, holder.pid)
        finally:
            holder.kill()


def _spawn(argv: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )


def _await(server: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, limit: float) -> None:
    end = time.monotonic() + limit
    while not ready():
        if server.poll() is not None or time.monotonic() > end:
            words = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])
            raise ProofError("a server does not start from the restored data", why=words or "it said nothing")
        time.sleep(0.05)


def _end(server: subprocess.Popen[bytes]) -> None:
    # nsenter forks for a new PID namespace: the group holds both. Throw-away data needs no orderly end.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, 9)
    server.wait(5)
