"""How a device is named, reached, watched and told the time."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from inventory.entry import Name
from inventory.network import Network, Node


@dataclass(frozen=True, slots=True)
class Identity:
    """What the device is called, and where it stands: its site, or its unit for an access switch."""

    name: str
    role: str
    place: Name
    district: Name


@dataclass(frozen=True, slots=True)
class Ssh:
    """Who may log in: one account with one public key (``authorized_key`` names it in the vault)."""

    account: str
    authorized_key: str


@dataclass(frozen=True, slots=True)
class Snmp:
    """An SNMPv3 user at level authPriv (RFC 3414). ``auth_secret`` and ``priv_secret`` name passphrases in the vault.

    ``engine_id`` is the agent's snmpEngineID (RFC 3411, section 5): keys localised to it work on this device only.
    """

    user: str
    auth_protocol: str
    auth_secret: str
    priv_protocol: str
    priv_secret: str
    engine_id: bytes


# RFC 3411, SnmpEngineID: the number of Net-SNMP (8072) with the highest bit set, then format 1, an IPv4 address.
_ENGINE = bytes.fromhex("80001f8801")


def engine_id(loopback: IPv4Address) -> bytes:
    """Return the snmpEngineID of the device with this loopback, nine octets, different for every device."""
    return _ENGINE + loopback.packed


def identity(network: Network, node: Node) -> Identity:
    """Return the device's name and place."""
    sites = {site.id: site.name for site in network.district.sites}
    place = network.units[node.unit].name if node.unit else sites[node.site]
    return Identity(node.id, node.role, place, network.district.settings.name)


def ssh(network: Network) -> Ssh:
    """Return who may log in."""
    management = network.district.settings.management
    return Ssh(management.account, management.authorized_key.secret)


def snmp(network: Network, node: Node) -> Snmp:
    """Return the device's SNMPv3 user."""
    user = network.district.settings.management.snmp
    return Snmp(
        user=user.name,
        auth_protocol=user.auth_protocol,
        auth_secret=user.auth_secret.secret,
        priv_protocol=user.priv_protocol,
        priv_secret=user.priv_secret.secret,
        engine_id=engine_id(node.loopback),
    )
