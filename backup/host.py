"""Run a command on a host: here, or over ssh with the pinned host key. Every command has a time limit."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from netdr.kernel.errors import BackupError, MissingError, NetdrError, UnreachableError

Watch = Callable[[str], None]

# What a program may see of our environment: nothing that could hold a secret, messages in English, times in UTC.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/root",
}

GRACE = 5.0

_running: set[subprocess.Popen[str]] = set()


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: its exit code, what it wrote, how long it took in seconds."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def last_words(self) -> str:
        """The last line it wrote to stderr, or to stdout if there is none."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}, no message"


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is told of a command while it runs: each line of stderr and stdout, and its process id once it has begun."""

    err: Watch | None = None
    out: Watch | None = None
    begun: Callable[[int], None] | None = None


class LimitError(BackupError):
    """A command was still running at the end of its time limit and has been ended."""


class Shell(Protocol):
    """A host on which commands can be run as root. ``name`` is the host's id."""

    @property
    def name(self) -> str:
        """The host's id."""

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        """Run ``argv`` and return how it ended, whatever its exit code.

        ``limit`` is in seconds. ``watch`` is called with each line of stderr as it comes; an Observer hears more. Raise
        LimitError when the limit is over, MissingError if there is no such program, UnreachableError if the host does
        not answer.
        """


@dataclass(frozen=True, slots=True)
class LocalShell:
    """The machine that netdr runs on. Commands get a process group of their own, and none outlives ``run``.

    ``grace``: seconds that a command gets to end by itself when it is stopped.
    """

    name: str
    grace: float = GRACE

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        """See ``Shell.run``. After Ctrl-C the command has been ended before the exception goes on."""
        start = time.monotonic()
        process = _start(argv, cwd)
        observer = watch if isinstance(watch, Observer) else Observer(err=watch)
        try:
            if observer.begun:
                observer.begun(process.pid)
            out, err = _talk(process, stdin, limit, observer)
        except subprocess.TimeoutExpired:
            raise LimitError(
                f"{argv[0]} did not end within {limit:.0f} s and was stopped",
                where=self.name,
                hint="look at the load and the disks of the host, then run the command again",
            ) from None
        finally:
            _end(process, self.grace)
        return Result(process.returncode, out, err, time.monotonic() - start)


@dataclass(frozen=True, slots=True)
class SshShell:
    """A host reached by the system's ssh: one identity, one file of pinned host keys, no user configuration."""

    name: str
    address: str
    account: str
    key: Path
    known_hosts: Path

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        """See ``Shell.run``. ``argv`` runs under sudo; ``cwd`` must be None."""
        if cwd is not None:
            message = "a remote command starts in the account's home"
            raise ValueError(message)
        command = shlex.join(["sudo", "-n", "--", *argv])
        result = LocalShell(self.name).run(self.argv(command), limit=limit, stdin=stdin, watch=watch)
        # ssh(1): 255 is ssh's own failure, every other code is the command's.
        if result.code == 255:
            raise _unreachable(self, result)
        return result

    def argv(self, command: str) -> list[str]:
        """Return the ssh command line that has ``command`` run by the account's login shell."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.key),
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
        }
        listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "/dev/null", *listed, f"{self.account}@{self.address}", command]


def _unreachable(shell: SshShell, result: Result) -> NetdrError:
    where = f"{shell.name} ({shell.address})"
    if "host key" in result.err.lower():
        return UnreachableError(
            "the host is not the one whose key is pinned",
            where=where,
            why=result.last_words,
            hint=f"find out why the key changed before you enrol it again in {shell.known_hosts}",
        )
    hint = "check that the host is up and that its site has a path to this controller"
    return UnreachableError("the host does not answer ssh", where=where, why=result.last_words, hint=hint)


def _start(argv: Sequence[str], cwd: Path | None) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or "/",
            env=ENVIRONMENT,
            encoding="utf-8",
            errors="surrogateescape",
            start_new_session=True,
        )
    except FileNotFoundError:
        raise MissingError(
            f"there is no program {argv[0]} on this machine", hint="install its Debian package"
        ) from None
    _running.add(process)
    return process


def _talk(process: subprocess.Popen[str], stdin: str, limit: float, observer: Observer) -> tuple[str, str]:
    out: list[str] = []
    err: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, out, observer.out), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, err, observer.err), daemon=True),
    ]
    feeder = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
    for thread in (*readers, feeder):
        thread.start()
    process.wait(limit)
    for thread in readers:
        # A child that outlives the command may hold a pipe open; what the command itself wrote has been read by then.
        thread.join(2)
    return "".join(out), "".join(err)


def _read(stream: IO[str], lines: list[str], watch: Watch | None) -> None:
    with stream:
        for line in stream:
            lines.append(line)
            if watch:
                watch(line.rstrip("\n"))


def _feed(stream: IO[str], text: str) -> None:
    # A command that does not want its input may end first; its exit code says whether that was right.
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(text)


def _end(process: subprocess.Popen[str], grace: float) -> None:
    _running.discard(process)
    if process.poll() is not None:
        return
    # SIGINT first: restic 0.14 removes its lock on SIGINT and leaves it behind on SIGTERM. Then whatever is left of the
    # group: background children of a shell ignore SIGINT.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        _await_unreaped(process.pid, grace)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE)


def _await_unreaped(pid: int, limit: float) -> None:
    """Wait for a child's end but leave it a zombie, so that its number is nobody else's when the group is killed."""
    end = time.monotonic() + limit
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            time.sleep(0.02)


def stop_all() -> None:
    """End every command that any thread is running here: what Ctrl-C means when work goes on in several threads."""
    for process in tuple(_running):
        _end(process, GRACE)
