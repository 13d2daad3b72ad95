"""The city's router, as the lab plays it: our BGP neighbour, with an address in each zone behind it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from inventory.network import Network
from inventory.policy import external_address
from lab.files import File
from lab.install import router, routing
from lab.model import BOOT
from netdr.kernel.secret import Secret

_BOOT = Path(__file__).parent / "boot" / "city.sh"
_ANYWHERE = IPv4Network("0.0.0.0/0")


def outside(network: Network) -> tuple[IPv4Address, ...]:
    """Return an address in each zone behind the city, at which the city's router answers for it."""
    return tuple(external_address(network, zone.id) for zone in network.district.zones if zone.kind == "external")


def city_files(network: Network, key: Secret) -> Mapping[str, File]:
    """Return the files of the city's router. ``key`` is the TCP MD5 password (RFC 2385) of its sessions with us."""
    return {
        **router(),
        **routing({"bgpd"}),
        "/etc/network/interfaces": File(_interfaces(network)),
        "/etc/frr/frr.conf": File(_bgp(network, key), 0o640, "frr:frr"),
        BOOT: File(_BOOT.read_text(encoding="utf-8"), 0o755),
    }


def _interfaces(network: Network) -> str:
    city = network.node(network.district.uplink.id)
    addresses = [city.loopback, *outside(network)]
    text = "auto lo\niface lo inet loopback\n" + "".join(f"    address {address}/32\n" for address in addresses)
    for wire in network.wires_of(city.id):
        end = wire.end(city.id)
        text += f"\nauto {end.port}\niface {end.port} inet static\n    address {end.address}\n"
    return text


def _bgp(network: Network, key: Secret) -> str:
    uplink = network.district.uplink
    lines = [
        "frr defaults traditional",
        f"hostname {uplink.id}",
        f"router bgp {uplink.asn}",
        f" bgp router-id {network.node(uplink.id).loopback}",
        " no bgp ebgp-requires-policy",
        " no bgp network import-check",
    ]
    peers = [wire.far(uplink.id).address.ip for wire in network.wires_of(uplink.id)]
    for peer in peers:
        lines += [
            f" neighbor {peer} remote-as {network.district.settings.asn}",
            f" neighbor {peer} password {key.reveal()}",
            # Seconds between attempts; the default of 120 would be most of a demonstration.
            f" neighbor {peer} timers connect 5",
        ]
    lines.append(" address-family ipv4 unicast")
    lines += [f"  network {prefix}" for prefix in uplink.accept if prefix != _ANYWHERE]
    if _ANYWHERE in uplink.accept:
        lines += [f"  neighbor {peer} default-originate" for peer in peers]
    return "\n".join([*lines, " exit-address-family", "exit", ""])
