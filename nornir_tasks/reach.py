"""What a device's configuration says about reaching it and passing packets on, in no vendor's words.

A platform's reader makes these facts of a text (``drivers/linux_reach.py``); ``inband`` decides with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that starts a conversation, as a filter sees it. ``outward`` is empty for one to the device itself.

    An ``inward`` that is empty stands for a port that nobody names.
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: str
    port: int = 0
    inward: str = ""
    outward: str = ""
    ttl: int = 64


class Filter(Protocol):
    """A packet filter. Two filters that are equal decide alike."""

    def accepts(self, packet: Packet) -> bool:
        """Return whether the packet surely passes."""


class Open:
    """The filter of a device that has none."""

    def accepts(self, packet: Packet) -> bool:  # noqa: ARG002 - whatever it is
        """See Filter."""
        return True

    def __eq__(self, other: object) -> bool:
        """All of them are alike."""
        return isinstance(other, Open)

    def __hash__(self) -> int:
        """Hash like all of them."""
        return hash(Open)


@dataclass(frozen=True, slots=True)
class Ospf:
    """OSPF on a port, with what both ends of a line must agree on (RFC 2328, 8.2, 10.5, D).

    ``keys`` are (id, key); the last one signs what is sent. No ``authentication``: neither end signs.
    """

    area: str
    hello: int
    dead: int
    point_to_point: bool
    authentication: str = ""
    keys: tuple[tuple[int, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Port:
    """A port that is up. ``ospf`` is None where no neighbour is spoken to; ``told`` says whether others learn of it."""

    addresses: tuple[IPv4Interface, ...] = ()
    mtu: int = 1500
    ospf: Ospf | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Ssh:
    """Who may log in where; None: not restricted here. ``keys`` are the accounts' public keys, without comments."""

    port: int = 22
    listen: frozenset[IPv4Address] | None = None
    accounts: frozenset[str] | None = None
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """All that counts of one configuration. ``ssh`` is None if it says nothing of how to log in.

    ``redistributes``: others learn of the static ``routes`` (prefix, via).
    """

    ports: Mapping[str, Port]
    routes: frozenset[tuple[IPv4Network, IPv4Address]]
    redistributes: bool
    ssh: Ssh | None
    filter: Filter


class Reader(Protocol):
    """A platform's reader of texts."""

    def __call__(self, text: str) -> Reach | None:
        """Return the facts of a configuration, or None if it is not one of this platform."""
