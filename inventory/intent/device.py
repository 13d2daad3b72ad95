"""Everything one device should do: the one object that templates see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from inventory import placement as placements
from inventory.intent.bgp import Bgp, bgp
from inventory.intent.filters import Filters, filters
from inventory.intent.interface import RoutedPort, UserVlan, routed_ports, user_vlans
from inventory.intent.management import Identity, Snmp, Ssh, identity, snmp, ssh
from inventory.intent.routing import Ospf, StaticRoute, ospf, static_routes
from inventory.network import Network
from netdr.kernel.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class DeviceIntent:
    """What a device should do. A part that is empty or None is not wanted."""

    platform: str
    identity: Identity
    loopback: IPv4Address
    ports: tuple[RoutedPort, ...]
    vlans: tuple[UserVlan, ...]
    ospf: Ospf
    statics: tuple[StaticRoute, ...]
    bgp: Bgp | None
    filters: Filters | None
    ssh: Ssh
    snmp: Snmp | None
    ntp: tuple[IPv4Address, ...]
    syslog: tuple[IPv4Address, ...]

    @property
    def name(self) -> str:
        """The device's id."""
        return self.identity.name

    @property
    def lines(self) -> tuple[RoutedPort, ...]:
        """The ports to other devices of the district."""
        return tuple(port for port in self.ports if port.kind in {"backbone", "uplink"})


def home_placement(network: Network) -> Mapping[str, str]:
    """Return the site of each service on a quiet day: its home."""
    return placements.home(network.district).active


def device_intent(network: Network, device: str, placement: Mapping[str, str]) -> DeviceIntent:
    """Given where each service is active (service id → site id), return what ``device`` should do.

    Raise UsageError, listing the known ones, if there is no such device.
    """
    node = network.nodes.get(device)
    if node is None or node.kind != "device":
        raise UsageError(unknown("device", device, (known.id for known in network.devices)))
    ports = routed_ports(network, device)
    vlans = user_vlans(network, device)
    border = bgp(network, device, ports)
    management = network.district.settings.management
    return DeviceIntent(
        platform=node.platform,
        identity=identity(network, node),
        loopback=node.loopback,
        ports=ports,
        vlans=vlans,
        ospf=ospf(network, device, ports),
        statics=static_routes(network, ports, placement),
        bgp=border,
        filters=filters(network, node, ports, vlans, border),
        ssh=ssh(network),
        snmp=snmp(network, node),
        ntp=tuple(network.nodes[host].loopback for host in management.ntp),
        syslog=tuple(network.nodes[host].loopback for host in management.syslog),
    )


def underlay(network: Network, device: str) -> DeviceIntent:
    """Return the part of the intent that a device has from day 0: what it takes to be reached in band.

    The whole intent says all of this in the same way. Raise UsageError if there is no such device.
    """
    return replace(device_intent(network, device, {}), vlans=(), bgp=None, filters=None, snmp=None, ntp=(), syslog=())
