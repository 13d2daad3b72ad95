"""The journal at the other controllers, as it is written: whoever survives can end what this one began.

Each is reached over ssh with its pinned key and runs ``netdr journal receive``: entries in, one JSON object a line, and
a line out for each that is durable there. A controller that does not answer in time is left out for the rest of the
change, and the report says so: a DR site that is down must not stop the network from being mended.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from inventory.network import Network, Node
from netdr.kernel.errors import NetdrError, UsageError
from nornir_tasks.journal import Entry, Journal

# Seconds: for the connection and the first answer, and for each that follows.
CONNECT, ANSWER = 6.0, 3.0
_READY = "ready"
_GONE = "it does not answer ssh, or netdr ended there"


def own(state: Path) -> Path:
    """Return the file of the journal that this controller writes."""
    return state / "journal" / "journal.sqlite"


def kept(state: Path) -> Sequence[Path]:
    """Return the journals of other controllers that are kept here, by their names."""
    return sorted((state / "journal" / "replicas").glob("*.sqlite"))


@dataclass(frozen=True, slots=True)
class Peer:
    """Another controller: its name, and the command that hands it entries on standard input."""

    name: str
    command: tuple[str, ...]


def peer(network: Network, node: Node, state: Path, here: str) -> Peer:
    """Return another controller as this one, called ``here``, reaches it: the same state folder, the same account."""
    account = network.district.settings.management.account
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(state / "ssh" / "known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "IdentityFile": str(state / "ssh" / "id_ed25519"),
        "ConnectTimeout": f"{CONNECT:.0f}",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "2",
        "LogLevel": "ERROR",
    }
    listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    netdr = str(Path(sys.executable).with_name("netdr"))
    there = shlex.join(["sudo", "-n", "--", netdr, "--state", str(state), "journal", "receive", here])
    return Peer(node.id, ("ssh", "-F", "/dev/null", *listed, f"{account}@{node.loopback}", there))


class Link:
    """The way to one peer. Made once per change; ``lost`` says why it takes no more entries, empty while it does."""

    def __init__(self, to: Peer, connect: float = CONNECT) -> None:
        self.peer, self.lost = to, ""
        self._sent = self._durable = 0
        self._moved = threading.Condition()
        self._limit = connect
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(to.command, stdin=pipe, stdout=pipe, stderr=nothing, start_new_session=True)
        self._words = ""
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()

    def send(self, entry: Entry) -> None:
        """Hand an entry on; it is on its way, not yet there."""
        if self.lost or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(json.dumps(entry).encode() + b"\n")
            self._process.stdin.flush()
            self._sent += 1
        except OSError:
            self._lose(_GONE)

    def settled(self) -> None:
        """Wait until all that was sent is durable there, or the peer is lost."""
        deadline = time.monotonic() + self._limit
        with self._moved:
            while not self.lost and self._durable < self._sent:
                left = deadline - time.monotonic()
                if left <= 0 or not self._moved.wait(left):
                    self._lose("no answer in time")
        self._limit = ANSWER

    def close(self) -> None:
        """End the conversation."""
        with suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._process.kill()
        self._process.wait()
        self._listener.join(1.0)
        if self._process.stdout:
            self._process.stdout.close()

    def _lose(self, why: str) -> None:
        self.lost = self.lost or self._words or why

    def _listen(self, stream: IO[bytes] | None) -> None:
        for line in stream or ():
            text = line.decode(errors="replace").strip()
            with self._moved:
                if text.isdigit():
                    self._durable = int(text)
                elif text != _READY:
                    self._words = text
                self._moved.notify_all()
        with self._moved:
            self._lose(_GONE)
            self._moved.notify_all()


class Replicas:
    """All other controllers at once, as a Mirror."""

    def __init__(self, peers: Sequence[Peer], connect: float = CONNECT) -> None:
        self._links = [Link(peer, connect) for peer in peers]

    def send(self, entry: Entry) -> None:
        """See Mirror."""
        for link in self._links:
            link.send(entry)

    def settled(self) -> None:
        """See Mirror."""
        for link in self._links:
            link.settled()

    @property
    def lost(self) -> tuple[str, ...]:
        """A sentence for each controller that does not have the whole journal of this change."""
        return tuple(f"{link.peer.name} has no copy of the journal: {link.lost}" for link in self._links if link.lost)

    def close(self) -> None:
        """End all conversations."""
        for link in self._links:
            link.close()


def receive(state: Path, sender: str, entries: Iterable[str], say: Callable[[str], None]) -> None:
    """Apply the entries of another controller, one JSON object a line, and say after each how many are durable.

    Raise UsageError if ``sender`` cannot be a controller's name, NetdrError at the first entry that cannot be written.
    """
    if not sender.replace("-", "").isalnum():
        raise UsageError(f"not a controller's name: '{sender}'")
    journal = Journal(state / "journal" / "replicas" / f"{sender}.sqlite")
    try:
        say(_READY)
        for count, line in enumerate(entries, 1):
            try:
                journal.apply(json.loads(line))
            except (NetdrError, ValueError) as error:
                say(f"{error}")
                raise NetdrError("an entry cannot be kept", why=str(error)) from error
            say(str(count))
    finally:
        journal.close()
