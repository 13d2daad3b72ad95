"""Routing inside the district: OSPF with BFD (RFC 2328, RFC 5880), and the static routes it redistributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from inventory.intent.interface import RoutedPort
from inventory.model import Bfd
from inventory.network import Network

# Metrics of redistributed static routes, external type 2: compared before the distance to the device that tells them
# (RFC 2328, 16.4), so the DR site wins wherever the reader is. An old main site that returns attracts nobody.
DR_METRIC = 10
METRIC = 20


@dataclass(frozen=True, slots=True)
class OspfInterface:
    """A point-to-point interface to another device of the district."""

    port: str
    cost: int


@dataclass(frozen=True, slots=True)
class Ospf:
    """One OSPF process in one area. ``key`` names the secret; ``hello`` and ``dead`` are seconds.

    ``redistributed`` are the prefixes of which static routes of any length are told to the others, each with the
    metric of the route (one of ``metrics``).
    """

    area: int
    router_id: IPv4Address
    hello: int
    dead: int
    key: str
    bfd: Bfd
    interfaces: tuple[OspfInterface, ...]
    redistributed: tuple[IPv4Network, ...]
    metrics: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """A route through the far end of a link; it dies with the link. ``metric`` is the one to redistribute it with."""

    prefix: IPv4Network
    via: IPv4Address
    metric: int


def ospf(network: Network, device: str, ports: tuple[RoutedPort, ...]) -> Ospf:
    """Return the device's OSPF process: it speaks on every link to a device and on no other port."""
    settings = network.district.settings
    return Ospf(
        area=settings.ospf.area,
        router_id=network.nodes[device].loopback,
        hello=settings.ospf.hello,
        dead=settings.ospf.dead,
        key=settings.ospf.key.secret,
        bfd=settings.ospf.bfd,
        interfaces=tuple(OspfInterface(p.name, p.cost) for p in ports if p.kind in {"backbone", "uplink"}),
        redistributed=(settings.addresses.loopbacks, settings.addresses.services),
        metrics=(DR_METRIC, METRIC),
    )


def static_routes(
    network: Network, ports: tuple[RoutedPort, ...], placement: Mapping[str, str]
) -> tuple[StaticRoute, ...]:
    """Return the routes to the servers on the device's ports and to the services that are active there.

    A service is active on a services host if ``placement`` puts it at the host's site; services that ``placement``
    does not name are active nowhere.
    """
    found = []
    recovery = {site.id for site in network.district.sites if site.kind == "dr"}
    for port in ports:
        if port.kind != "host":
            continue
        host = network.nodes[port.far]
        metric = DR_METRIC if host.site in recovery else METRIC
        active = [network.services[s] for s, site in placement.items() if host.role == "services" and site == host.site]
        found += [StaticRoute(IPv4Network(address), port.far_address, metric) for address in (host.loopback, *active)]
    return tuple(sorted(found, key=lambda route: (route.prefix, route.via)))
