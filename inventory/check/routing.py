"""Routing and management: the line to the city, OSPF timers, SNMPv3 keys."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.check.finding import Check, Finding, needing
from inventory.model import District


@needing("settings", "uplink")
def _same_as(district: District) -> Iterator[Finding]:
    if district.settings.asn == district.uplink.asn:
        what = f"uplink: AS {district.uplink.asn} is the district's own"
        yield Finding(("uplink", "asn"), what, "the city peers by external BGP (RFC 4271)")


@needing("uplink")
def _peers(district: District) -> Iterator[Finding]:
    for what in ("device", "preference"):
        seen: set[object] = set()
        for place, peer in enumerate(district.uplink.peers):
            value = getattr(peer, what)
            if value in seen:
                yield Finding(("uplink", "peers", place, what), f"uplink: two peers have the {what} '{value}'")
            seen.add(value)


@needing("settings")
def _ospf_timers(district: District) -> Iterator[Finding]:
    ospf = district.settings.ospf
    if ospf.dead < 3 * ospf.hello:
        what = f"district: OSPF dead {ospf.dead}s is less than three hellos of {ospf.hello}s"
        yield Finding(("settings", "ospf", "dead"), what, "two lost packets must not take a link down")


@needing("settings")
def _snmp_secrets(district: District) -> Iterator[Finding]:
    snmp = district.settings.management.snmp
    if snmp.auth_secret == snmp.priv_secret:
        at = ("settings", "management", "snmp", "priv_secret")
        what = f"district: SNMPv3 uses secret '{snmp.priv_secret.secret}' to authenticate and to encrypt"
        yield Finding(at, what, "a key serves one purpose")


CHECKS: tuple[Check, ...] = (_same_as, _peers, _ospf_timers, _snmp_secrets)
