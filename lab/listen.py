"""Listeners at the destinations of probes, so that a silence means that something in between refused."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab import netns
from netdr.kernel.errors import LabError, NetdrError, Problems


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


@contextmanager
def listening(endpoints: Iterable[Endpoint]) -> Iterator[tuple[socket.socket, ...]]:
    """Listen at every endpoint where no server does so already; lend the UDP sockets, which wait for ``echo``.

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
                stack.enter_context(listener)
                if endpoint.protocol == "udp":
                    served.append(listener)
        if problems:
            raise Problems(problems)
        yield tuple(served)


def echo(listener: socket.socket) -> None:
    """Send a datagram that has arrived back to where it came from."""
    with suppress(OSError):
        data, sender = listener.recvfrom(2048)
        listener.sendto(data, sender)


def _listen(endpoint: Endpoint) -> socket.socket | None:
    """Listen at an endpoint in the namespace that has its address; None if a server does so already.

    For ICMP, which the kernel itself answers, holding the address is enough: a UDP socket on any port shows that.
    """
    tcp = endpoint.protocol == "tcp"
    why = []
    for holder in endpoint.holders:
        netns.enter(holder)
        listener = socket.socket(
            socket.AF_INET, (socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) | socket.SOCK_NONBLOCK
        )
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, tcp)
            listener.bind(endpoint.pair)
            if tcp:
                listener.listen(socket.SOMAXCONN)
        except OSError as error:
            listener.close()
            if tcp and error.errno == errno.EADDRINUSE:
                return None
            why.append(f"{holder}: {error.strerror}")
        else:
            return listener
    raise LabError(
        f"nothing listens at {endpoint.address} {endpoint.port}",
        why="; ".join(why),
        hint="netdr lab status; netdr dr status",
    )
