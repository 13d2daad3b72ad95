"""Users' packets at a steady pace while something else happens: what of them is lost is what it costs the users.

A packet is the first one of a new TCP connection (SYN) to a service's port. It is lost if it is not answered before TCP
would send it again.
"""

from __future__ import annotations

import selectors
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from typing import Self

from lab import netns
from lab.listen import listening
from lab.loss import Loss, Probe, losses
from lab.probe import Connection, Flow

# Every unit sends one packet in this time, to its services in turn.
PACE_S = 0.05
# RFC 6298: a first SYN is repeated after a second.
PATIENCE_S = 0.9
_START_S = 10.0

Key = tuple[str, str]


@dataclass
class _Sent:
    """A packet sent at ``at``, on its way for as long as ``connection`` is open."""

    key: Key
    at: float
    connection: Connection
    answered: bool = False


class Traffic:
    """Packets along ``flows`` (unit and service → flow) while it is entered; ``losses`` has each unit's afterwards."""

    def __init__(self, flows: Mapping[Key, Flow]) -> None:
        self._flows = flows
        self._ready, self._end = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._done: Future[Mapping[str, Loss]] | None = None
        self.losses: Mapping[str, Loss] = {}

    def __enter__(self) -> Self:
        """Begin to send, from a thread of its own, which enters the users' namespaces."""
        self._done = self._pool.submit(_Sender(self._flows, self._ready, self._end).run)
        while not self._ready.wait(0.05) and not self._done.done():
            continue
        return self

    def __exit__(self, *_: object) -> None:
        """Send no more and wait for the last answers. Raise what kept the packets from being sent."""
        self._end.set()
        if self._done is not None:
            self.losses = self._done.result()
        self._pool.shutdown()


class _Sender:
    """What the thread does."""

    def __init__(self, flows: Mapping[Key, Flow], ready: threading.Event, end: threading.Event) -> None:
        self._flows, self._ready, self._end = flows, ready, end
        turns = defaultdict[str, list[Key]](list)
        for key in flows:
            turns[key[0]].append(key)
        self._turns = [cycle(keys) for keys in turns.values()]
        self._selector = selectors.DefaultSelector()
        self._sent: list[_Sent] = []
        self._waiting = deque[_Sent]()

    def run(self) -> Mapping[str, Loss]:
        """Send until the end and return what was lost."""
        with listening(flow.to for flow in self._flows.values()) as listeners, self._selector:
            for listener in listeners:
                self._selector.register(listener.socket, selectors.EVENT_READ, listener)
            self._ready.set()
            due = time.monotonic()
            while not self._end.is_set():
                for turn in self._turns:
                    self._send(next(turn))
                # A sender that is late leaves packets out instead of sending them all at once.
                due = max(due + PACE_S, time.monotonic())
                self._collect(due)
            end = time.monotonic()
            self._collect(end + PATIENCE_S)
            self._give_up(end + 2 * PATIENCE_S)
        return losses((Probe(*item.key, item.at, item.answered) for item in self._sent), end)

    def _send(self, key: Key) -> None:
        flow = self._flows[key]
        netns.enter(flow.source)
        sent = _Sent(key, time.monotonic(), Connection(len(self._sent), flow.to))
        self._sent.append(sent)
        try:
            sent.connection.begin()
        except OSError:  # no way to the destination: lost at once
            sent.connection.socket.close()
            return
        self._selector.register(sent.connection.socket, sent.connection.event, sent)
        self._waiting.append(sent)

    def _collect(self, until: float) -> None:
        """Take answers until then, and give up what has waited too long."""
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if isinstance(key.data, _Sent):
                    key.data.answered = bool(key.data.connection.answered())
                    self._forget(key.data)
                else:
                    key.data.answer()
            self._give_up(time.monotonic())

    def _give_up(self, now: float) -> None:
        while self._waiting and (not self._waiting[0].connection.open or self._waiting[0].at + PATIENCE_S < now):
            sent = self._waiting.popleft()
            if sent.connection.open:
                self._forget(sent)

    def _forget(self, sent: _Sent) -> None:
        with suppress(KeyError):
            self._selector.unregister(sent.connection.socket)
        sent.connection.socket.close()
