"""A bubble: namespaces of their own (network, processes, mounts, IPC) in which restored data is started.

Nothing in it can reach or be reached by the network, so it uses the ports of the real service; nothing in it can change
the host's files or find its sockets (see ``membrane``); nothing started in it outlives it, even if netdr is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backup import membrane
from backup.host import ENVIRONMENT, LocalShell, Observer, Result, Watch
from netdr.kernel.errors import MissingError, ProofError

# Seconds for a command of the bubble's own.
START = 30.0
# netdr's own code and the Python that runs it, wherever the checkout is.
_PROGRAMS = sorted({sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[1])})


@dataclass(frozen=True, slots=True)
class Bubble:
    """An open bubble. A ``host.Shell``: what ``run`` runs, runs inside."""

    name: str
    holder: int

    def argv(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs ``argv`` inside."""
        spaces = Path("/proc") / str(self.holder) / "ns"
        inside = [f"--{kind}={spaces}/{kind}" for kind in ("net", "ipc")]
        inside += [f"--pid={spaces}/pid_for_children", f"--mount={spaces}/mnt"]
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
def blow(name: str, *writable: Path, places: Mapping[Path, Path] | None = None) -> Iterator[Bubble]:
    """Open a bubble and, whatever happens, end everything in it.

    Inside, only the folders ``writable`` can be written to, and each path of ``places`` shows a folder below them.
    Raise MissingError if it cannot be made.
    """
    shown = {str(place): str(lies) for place, lies in (places or {}).items()}
    argument = json.dumps({"writable": list(map(str, writable)), "places": shown, "programs": _PROGRAMS})
    # setpriv: if the thread that made the bubble dies, so does unshare, and with it (--kill-child) everything inside.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--ipc", "--pid", "--mount", "--fork"]
    with _standing(places or {}):
        holder = subprocess.Popen(
            [*command, "--kill-child", sys.executable, "-I", membrane.__file__, argument],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
            start_new_session=True,
        )
        with holder:
            try:
                if holder.stdout is None or holder.stdout.readline() != f"{membrane.READY}\n":
                    why = holder.stderr.read().strip() if holder.stderr else ""
                    hint = "run as root on a host with unshare and Linux 5.12 or newer"
                    raise MissingError("an isolated bubble cannot be made", why=why, hint=hint)
                bubble = Bubble(name, holder.pid)
                bubble.run(["ip", "link", "set", "lo", "up"], limit=START)
                yield bubble
            finally:
                holder.kill()


@contextmanager
def _standing(places: Iterable[Path]) -> Iterator[None]:
    """Make the folders that something is to be shown at, and take away those that were made: they are empty here."""
    made = [folder for place in places for folder in reversed((place, *place.parents)) if not folder.exists()]
    for folder in made:
        folder.mkdir(exist_ok=True)
    try:
        yield
    finally:
        for folder in reversed(made):
            # Somebody may have put something there meanwhile: a restore, for one.
            with contextlib.suppress(OSError):
                folder.rmdir()


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
