"""The nouns of a district's network, as its people write them in YAML.

One class per kind of entry; every class is frozen and refuses unknown keys. What is computed rather than
written (addresses, ports, who is whose neighbour) is in ``network.Network``, which is built from a ``District``.
What is backed up, and how, is in ``asset``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from inventory.asset import Asset, Protection, Service
from inventory.entry import KEY_PATTERN, USER_PATTERN, Asn, Duration, Entry, Id, Name, Port, Prefix, VlanId


class SecretRef(Entry):
    """Where a secret is found: a key of the vault file. The value itself is never in the inventory."""

    secret: Id


@dataclass(frozen=True, slots=True)
class SecretUse:
    """What a secret must be to serve: its length in characters, or an OpenSSH public key."""

    least: int = 1
    most: int = 1024
    public_key: bool = False


# RFC 2328 D.3: an MD5 key is at most 16 octets. RFC 3414 11.2: a passphrase has at least 8; Net-SNMP and switches take
# 64 at most. Linux tcp(7) TCP_MD5SIG: at most 80.
OspfKey = Annotated[SecretRef, SecretUse(1, 16)]
SnmpPassphrase = Annotated[SecretRef, SecretUse(8, 64)]
BgpPassword = Annotated[SecretRef, SecretUse(1, 80)]
PublicKey = Annotated[SecretRef, SecretUse(public_key=True)]


# ---- district.yaml ---------------------------------------------------------------------------------------


class AddressPlan(Entry):
    """The pools from which addresses are allocated.

    ``zones`` has one pool for each zone with user networks, so that filters name a zone by one prefix and a new
    network in one unit changes no other device.
    """

    loopbacks: Prefix
    links: Prefix
    services: Prefix
    zones: dict[Id, Prefix]


class Bfd(Entry):
    """RFC 5880 timers of every district link. Detection time is ``interval_ms * multiplier``."""

    interval_ms: Annotated[int, Field(ge=50, le=60000)]
    multiplier: Annotated[int, Field(ge=2, le=50)]


class Ospf(Entry):
    """RFC 2328: one area for the district, point-to-point links, authenticated (appendix D.3)."""

    area: Annotated[int, Field(ge=0, le=4294967295)] = 0
    hello: Duration
    dead: Duration
    key: OspfKey
    bfd: Bfd


class SnmpUser(Entry):
    """A user of the User-based Security Model (RFC 3414; SHA-2: RFC 7860; AES: RFC 3826)."""

    name: Annotated[str, StringConstraints(pattern=USER_PATTERN)]
    level: Literal["authPriv"]
    auth_protocol: Literal["SHA", "SHA224", "SHA256", "SHA384", "SHA512"]
    auth_secret: SnmpPassphrase
    priv_protocol: Literal["AES"]
    priv_secret: SnmpPassphrase


class Management(Entry):
    """How devices are reached and watched: in band, from the controllers' loopbacks only.

    ``account`` is the login that netdr uses over SSH with a key; ``authorized_key`` names the public key in the vault.
    """

    account: Id
    authorized_key: PublicKey
    snmp: SnmpUser
    syslog: tuple[Id, ...] = ()
    ntp: tuple[Id, ...] = ()


class Monitoring(Entry):
    """How often devices are asked, how often rules are evaluated, how long a link may be down before it is an alert.

    ``webhook`` is where Alertmanager sends what it gathers; without one, alerts are shown and sent nowhere.
    """

    scrape: Duration
    evaluate: Duration
    link_down_for: Duration
    group_wait: Duration
    webhook: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$")] = ""


class Signer(Entry):
    """A person who may approve plans, and the public ssh keys that person signs with: lines of .pub files."""

    id: Id
    name: str = Field(min_length=1)
    keys: tuple[Annotated[str, StringConstraints(pattern=KEY_PATTERN)], ...] = Field(min_length=1)


class Approval(Entry):
    """How many people besides its author must sign a plan, and who may."""

    required: Annotated[int, Field(ge=0)] = 0
    signers: tuple[Signer, ...] = ()


# The elements of GB/T 20988 that netdr cannot see; how data is backed up, it can.
Element = Literal["processing", "network", "infrastructure", "support", "operations", "plan"]


class Recovery(Entry):
    """What a recovery depends on that netdr cannot see: people, and means that somebody has assessed.

    ``deciders`` may decide a failover; ``custodians`` keep a share of the escrow each. ``elements`` has the level, 1 to
    6, that each element of GB/T 20988 was assessed to reach, as far as it was assessed.
    """

    deciders: tuple[Id, ...] = ()
    custodians: tuple[Id, ...] = ()
    elements: dict[Element, Annotated[int, Field(ge=1, le=6)]] = Field(default_factory=dict)


class Settings(Entry):
    """The district as a whole."""

    id: Id
    name: Name
    asn: Asn
    addresses: AddressPlan
    ospf: Ospf
    management: Management
    monitoring: Monitoring
    approval: Approval = Approval()
    recovery: Recovery = Recovery()


# ---- sites.yaml ------------------------------------------------------------------------------------------


class Site(Entry):
    """A place that can be lost as one.

    ``main`` holds the services, ``dr`` takes over, ``aggregation`` gathers units.
    """

    id: Id
    name: Name
    kind: Literal["main", "aggregation", "dr"]


# ---- devices.yaml ----------------------------------------------------------------------------------------


class Device(Entry):
    """A switch or router of the backbone. Units' access switches are made from ``units.yaml``."""

    id: Id
    site: Id
    role: Literal["core", "aggregation", "access", "dr"]
    platform: Id


class Link(Entry):
    """A routed point-to-point line between two devices. Ports are allocated unless pinned here."""

    ends: tuple[Id, Id]
    ports: dict[Id, str] = Field(default_factory=dict)
    cost: Annotated[int, Field(ge=1, le=65535)] = 10


class Host(Entry):
    """A server netdr works with: it sits at a site and has a routed link to each device of ``uplinks``."""

    id: Id
    site: Id
    role: Literal["controller", "services"]
    uplinks: tuple[Id, ...] = Field(min_length=1)


# ---- units.yaml ------------------------------------------------------------------------------------------


class Vlan(Entry):
    """A user network in a unit, in one zone."""

    id: VlanId
    name: Id
    zone: Id
    prefixlen: Annotated[int, Field(ge=8, le=30)] = 26


class Unit(Entry):
    """A bureau, town or other office: one access switch, two uplinks to two different sites, its user networks."""

    id: Id
    name: Name
    user_class: Id
    platform: Id = "linux"
    uplinks: tuple[Id, ...]
    vlans: tuple[Vlan, ...] = Field(min_length=1)
    # Reviewed exception for a unit that really has one line: the text is the reason and is shown in reports.
    single_uplink: str = ""


# ---- policy.yaml -----------------------------------------------------------------------------------------


class Zone(Entry):
    """A division of the network. Only ``user`` zones hold user networks; ``external`` ones lie behind the city."""

    id: Id
    name: Name
    kind: Literal["user", "external"]
    # External zones only: what lies behind the city line. 0.0.0.0/0 means everything that is nobody else's.
    prefixes: tuple[Prefix, ...] = ()


class UserClass(Entry):
    """A kind of unit, for the policy."""

    id: Id
    name: Name


class Source(Entry):
    """Where a rule's traffic comes from. ``classes`` empty means every class."""

    zone: Id
    classes: tuple[Id, ...] = ()


class Destination(Entry):
    """Where a rule's traffic goes: services on their published ports, or a zone on the ports of ``ports``."""

    services: tuple[Id, ...] = ()
    zone: Id | None = None
    ports: tuple[Port, ...] = ()


class Rule(Entry):
    """Permission for traffic to start. Everything no rule permits is refused; answers always pass."""

    id: Id
    source: Source
    to: Destination


# ---- uplink.yaml -----------------------------------------------------------------------------------------


class UplinkPeer(Entry):
    """One BGP session to the city. The lowest ``preference`` carries the traffic while it is up."""

    device: Id
    preference: Annotated[int, Field(ge=1, le=16)]


class Uplink(Entry):
    """The line up to the city. ``accept`` is all that is taken from it (RFC 8212); the rules decide what it is told."""

    id: Id
    name: Name
    asn: Asn
    key: BgpPassword
    peers: tuple[UplinkPeer, ...] = Field(min_length=1)
    accept: tuple[Prefix, ...] = Field(min_length=1)
    max_prefix: Annotated[int, Field(ge=1, le=100000)]


class District(Entry):
    """Everything written in one inventory folder, checked file by file and across files."""

    settings: Settings
    sites: tuple[Site, ...]
    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    hosts: tuple[Host, ...]
    units: tuple[Unit, ...]
    zones: tuple[Zone, ...]
    classes: tuple[UserClass, ...]
    rules: tuple[Rule, ...]
    uplink: Uplink
    services: tuple[Service, ...]
    assets: tuple[Asset, ...]
    protections: tuple[Protection, ...]

    @property
    def protected(self) -> tuple[Asset, ...]:
        """All that is backed up: the services, then the other assets."""
        return (*self.services, *self.assets)
