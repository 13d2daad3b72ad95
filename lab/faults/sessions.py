"""The management sessions of a device: the SSH server's processes and the program that answers in them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lab.faults.fault import Fault
from lab.install import PROGRAM
from lab.processes import in_namespaces, kill
from lab.state import namespace


class SshDropped(Fault):
    """Every SSH connection ends at once, whatever is under way; new ones are welcome."""

    def strike(self) -> None:
        """See Fault."""
        drop(self.lab, self.node)

    def heal(self) -> None:
        """See Fault. There is nothing to heal."""


class Hung(Fault):
    """Whoever asks the device waits: its SSH server and the program in its sessions stand still."""

    def strike(self) -> None:
        """See Fault."""
        self._send(signal.SIGSTOP)

    def heal(self) -> None:
        """Let them go on where they were."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for pid, words in _found(self.lab, self.node):
            if _is_sshd(words) or _answers(words):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)


def drop(lab: str, node: str) -> None:
    """End every SSH connection that a node serves."""
    kill([pid for pid, words in _found(lab, node) if _is_sshd(words) and "[listener]" not in " ".join(words)])


def _is_sshd(words: list[str]) -> bool:
    """Whether these are a process's words for what it is: sshd writes them over its arguments."""
    return words[0].startswith("sshd") or words[0].endswith("/sshd")


def _answers(words: list[str]) -> bool:
    return "session" in words and any(Path(word).name == Path(PROGRAM).name for word in words)


def _found(lab: str, node: str) -> Iterator[tuple[int, list[str]]]:
    """Yield a node's processes with their arguments."""
    for pid in in_namespaces([namespace(lab, node)]):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            continue
        yield pid, words
