"""Listeners at the destinations of probes, so that a silence means that something in between refused."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from lab import netns
from netdr.kernel.errors import LabError, NetdrError, Problems

# What a UDP probe says.
PROBE = b"netdr probe"
# RFC 768: source port, destination port, length, checksum.
UDP = struct.Struct("!HHHH")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a packet is to arrive: ``port`` (``tcp/80``, ``udp/53``, ``icmp``) of ``address``.

    One of the network namespaces ``holders`` has the address.
    """

    address: IPv4Address
    port: str
    holders: tuple[str, ...]

    @property
    def protocol(self) -> str:
        """``tcp``, ``udp`` or ``icmp``."""
        return self.port.partition("/")[0]

    @property
    def pair(self) -> tuple[str, int]:
        """Address and port number as sockets want them; 0 for ICMP, which has none."""
        return str(self.address), int(self.port.partition("/")[2] or 0)


class Listener(Protocol):
    """Something that must be served while probes run: when ``socket`` is ready, ``answer``."""

    socket: socket.socket

    def answer(self) -> None:
        """Send what has arrived back to where it came from; end connections, which would fill the queue."""


@contextmanager
def listening(endpoints: Iterable[Endpoint]) -> Iterator[tuple[Listener, ...]]:
    """Listen at every endpoint, whether or not a server does so already; lend the listeners that must be served.

    Call it in a thread made for the purpose: it enters the holders' namespaces. Raise Problems if nothing can listen at
    an endpoint, as nothing could be concluded from its silence.
    """
    problems: list[NetdrError] = []
    served = []
    with ExitStack() as stack:
        for endpoint in dict.fromkeys(endpoints):
            try:
                listener = _listen(endpoint)
            except LabError as error:
                problems.append(error)
                continue
            if listener is not None:
                stack.enter_context(listener.socket)
                served.append(listener)
        if problems:
            raise Problems(problems)
        yield tuple(served)


class _Socket:
    """A listening socket; datagrams are sent back as they came, connections end once they are made."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._tcp = tcp = endpoint.protocol == "tcp"
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        self.socket = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, tcp)
            self.socket.bind(endpoint.pair)
            if tcp:
                self.socket.listen(socket.SOMAXCONN)
        except OSError:
            self.socket.close()
            raise

    def answer(self) -> None:
        with suppress(OSError):
            while self._tcp:
                self.socket.accept()[0].close()
            data, sender = self.socket.recvfrom(2048)
            self.socket.sendto(data, sender)


class _Tap:
    """A raw socket beside a server that has the UDP port: it sees what passes the filters and answers in its place.

    The server need not understand a probe, and its silence would be mistaken for a filter's.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._port = endpoint.pair[1]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_UDP)
        self.socket.bind((endpoint.pair[0], 0))

    def answer(self) -> None:
        packet, (sender, _) = self.socket.recvfrom(2048)
        # RFC 791: the header's length in 32-bit words is in the low half of the first byte.
        datagram = packet[4 * (packet[0] & 15) :]
        source, destination, length, _ = UDP.unpack_from(datagram)
        if destination == self._port and datagram[UDP.size :] == PROBE:
            with suppress(OSError):
                # A checksum of zero means that there is none.
                self.socket.sendto(UDP.pack(destination, source, length, 0) + PROBE, (sender, 0))


def _listen(endpoint: Endpoint) -> Listener | None:
    """Listen at an endpoint in the namespace that has its address; None if a TCP server does so already.

    For ICMP, which the kernel itself answers, holding the address is enough: a UDP socket on any port shows that.
    """
    why = []
    for holder in endpoint.holders:
        netns.enter(holder)
        try:
            return _Socket(endpoint)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return _Tap(endpoint) if endpoint.protocol == "udp" else None
            why.append(f"{holder}: {error.strerror}")
    raise LabError(
        f"nothing listens at {endpoint.address} {endpoint.port}",
        why="; ".join(why),
        hint="netdr lab status; netdr dr status",
    )
