"""Whether packets get through: real connections, datagrams and pings from many network namespaces at once.

A flow has got through only when its destination answered: a TCP handshake, a UDP answer, an ICMP echo reply. A reset or
an ICMP error is not an answer, as a filter that rejects sends the same; ``listen`` sees to it that destinations answer.
"""

from __future__ import annotations

import resource
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from lab import netns
from lab.listen import PROBE, Endpoint, Listener, listening

# Flows under way at the same time; each is an open file.
WAVE = 800
# RFC 792: type, code, checksum, identifier, sequence number.
_ICMP = struct.Struct("!BBHHH")
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
# Close a connection with a reset: neither side has anything left to wait for.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Flow:
    """What to try: from the network namespace ``source`` to ``to``."""

    source: str
    to: Endpoint


def reached(flows: Sequence[Flow], patience: float) -> tuple[bool, ...]:
    """Try every flow once; return, for each, whether its destination answered within ``patience`` seconds. Needs root.

    Raise Problems if nothing listens at a destination, LabError if a namespace cannot be entered.
    """
    # Namespaces are entered by the thread, and the caller's must stay where it is.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_reached, flows, patience).result()


def _reached(flows: Sequence[Flow], patience: float) -> tuple[bool, ...]:
    order = sorted(range(len(flows)), key=lambda index: flows[index].source)
    found = set[int]()
    _allow_files(2 * WAVE + len({flow.to for flow in flows}))
    with listening(flow.to for flow in flows) as listeners:
        for start in range(0, len(order), WAVE):
            wave = {index: flows[index] for index in order[start : start + WAVE]}
            found |= _wave(wave, listeners, patience)
    return tuple(index in found for index in range(len(flows)))


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _wave(flows: Mapping[int, Flow], listeners: Sequence[Listener], patience: float) -> set[int]:
    """Start all the flows, wait until each is answered or patience is at its end; return those that were answered."""
    found = set[int]()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener.socket, selectors.EVENT_READ, listener.answer)
        open_ = 0
        for attempt in _attempts(flows, stack):
            selector.register(attempt.socket, attempt.event, attempt)
            open_ += 1
        limit = time.monotonic() + patience
        while open_ and (left := limit - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if callable(key.data):
                    key.data()
                    continue
                found |= key.data.answered()
                if not key.data.open:
                    selector.unregister(key.fileobj)
                    open_ -= 1
    return found


def _attempts(flows: Mapping[int, Flow], stack: ExitStack) -> Iterator[_Attempt]:
    """Send the first packet of each flow; yield what waits for the answers. The stack closes their sockets."""
    for source, group in groupby(flows.items(), key=lambda item: item[1].source):
        netns.enter(source)
        here = {index: flow.to for index, flow in group}
        pings = {index: to for index, to in here.items() if to.protocol == "icmp"}
        attempts: list[_Attempt] = [_Pings(pings)] if pings else []
        attempts += [_KINDS[to.protocol](index, to) for index, to in here.items() if to.protocol in _KINDS]
        for attempt in attempts:
            stack.enter_context(attempt.socket)
            # A source without a way to the destination fails at once: it has not reached it.
            with suppress(OSError):
                attempt.begin()
                yield attempt


class _Attempt(Protocol):
    """Something sent that waits for an answer."""

    socket: socket.socket
    event: int

    @property
    def open(self) -> bool:
        """Whether an answer is still to come."""

    def begin(self) -> None:
        """Send the first packet. Raise OSError if there is no way to the destination."""

    def answered(self) -> set[int]:
        """Given that the socket is ready, return the flows that were answered."""


class Connection:
    """A TCP connection under way."""

    event = selectors.EVENT_WRITE

    def __init__(self, index: int, to: Endpoint) -> None:
        self._index, self._to, self.open = index, to, True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def begin(self) -> None:
        """Send the first packet. Raise OSError if there is no way to the destination."""
        with suppress(BlockingIOError):
            self.socket.connect(self._to.pair)

    def answered(self) -> set[int]:
        """Given that the socket is ready, return the flow if the connection was made."""
        self.open = False
        return set() if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else {self._index}


class _Datagram:
    """A UDP datagram that is to come back."""

    event = selectors.EVENT_READ

    def __init__(self, index: int, to: Endpoint) -> None:
        self._index, self._to, self.open = index, to, True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def begin(self) -> None:
        self.socket.connect(self._to.pair)
        self.socket.send(PROBE)

    def answered(self) -> set[int]:
        self.open = False
        # An ICMP error shows up as the failure of the next call.
        with suppress(OSError):
            self.socket.recv(2048)
            return {self._index}
        return set()


class _Pings:
    """ICMP echo requests from one namespace: one raw socket sees all the replies."""

    event = selectors.EVENT_READ

    def __init__(self, flows: Mapping[int, Endpoint]) -> None:
        self._waiting = {(to.pair[0], number): index for number, (index, to) in enumerate(flows.items())}
        self._identifier = secrets.randbits(16)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)

    @property
    def open(self) -> bool:
        return bool(self._waiting)

    def begin(self) -> None:
        for address, number in self._waiting:
            with suppress(OSError):
                self.socket.sendto(echo_request(self._identifier, number), (address, 0))

    def answered(self) -> set[int]:
        packet, (address, _) = self.socket.recvfrom(2048)
        # RFC 791: the header's length in 32-bit words is in the low half of the first byte.
        kind, _, _, identifier, number = _ICMP.unpack_from(packet, 4 * (packet[0] & 15))
        if kind != _ECHO_REPLY or identifier != self._identifier:
            return set()
        index = self._waiting.pop((address, number), None)
        return set() if index is None else {index}


_KINDS: Mapping[str, Callable[[int, Endpoint], _Attempt]] = {"tcp": Connection, "udp": _Datagram}


def echo_request(identifier: int, number: int) -> bytes:
    """Return an ICMP echo request (RFC 792) without data, with its checksum (RFC 1071)."""
    words = (_ECHO_REQUEST << 8, identifier, number)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return _ICMP.pack(_ECHO_REQUEST, 0, ~total & 0xFFFF, identifier, number)
