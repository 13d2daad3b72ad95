"""BGP with the city (RFC 4271, RFC 8212): an external session per line, and internal ones among the district's borders.

Of several lines the one with the lowest preference carries the traffic while it is up. Inside, the borders agree by
local preference over their internal sessions; the others learn the way out by OSPF from the border that uses its own
line. Towards the city, the lines differ by MED and by a longer AS path.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from inventory.intent.interface import RoutedPort
from inventory.model import Uplink
from inventory.network import Network
from inventory.policy import announced

# The default local preference of every implementation is 100; ours lie above it, the best one highest.
_LOCAL_PREFERENCE = 200
_STEP = 100
DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Line:
    """A line to the city. ``key`` names the secret of its session (RFC 2385), ``prepend`` counts added AS numbers."""

    port: str
    key: str
    max_prefix: int
    local_preference: int
    med: int
    prepend: int


@dataclass(frozen=True, slots=True)
class Peer:
    """A neighbour: the city over a ``line``, or another border of the district, loopback to loopback, without one."""

    address: IPv4Address
    asn: int
    name: str
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Bgp:
    """A border's BGP. It accepts ``accept`` and announces ``announce``, nothing else.

    ``metric`` is the OSPF metric (external type 2) with which the district learns what came from the city.
    """

    asn: int
    router_id: IPv4Address
    peers: tuple[Peer, ...]
    accept: tuple[IPv4Network, ...]
    announce: tuple[IPv4Network, ...]
    metric: int

    @property
    def default(self) -> bool:
        """Whether the way to everywhere else comes from the city."""
        return DEFAULT_ROUTE in self.accept


def bgp(network: Network, device: str, ports: tuple[RoutedPort, ...]) -> Bgp | None:
    """Return the device's BGP, or None if no line to the city ends here."""
    uplink = network.district.uplink
    preferences = {peer.device: peer.preference for peer in uplink.peers}
    if device not in preferences:
        return None
    peers = [
        Peer(port.far_address, uplink.asn, port.far, _line(uplink, port.name, preferences[device]))
        for port in ports
        if port.kind == "city"
    ]
    asn = network.district.settings.asn
    peers += [Peer(network.nodes[border].loopback, asn, border) for border in preferences if border != device]
    return Bgp(
        asn=asn,
        router_id=network.nodes[device].loopback,
        peers=tuple(sorted(peers, key=lambda peer: peer.address)),
        accept=tuple(sorted(uplink.accept)),
        announce=announced(network),
        metric=_STEP * preferences[device],
    )


def _line(uplink: Uplink, port: str, preference: int) -> Line:
    return Line(
        port=port,
        key=uplink.key.secret,
        max_prefix=uplink.max_prefix,
        local_preference=_LOCAL_PREFERENCE - preference,
        med=_STEP * preference,
        prepend=preference - min(peer.preference for peer in uplink.peers),
    )
