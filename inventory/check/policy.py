"""Zones and rules: traffic starts in a user zone and goes to something that has ports."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from inventory.check.finding import Check, Finding, needing
from inventory.check.references import EACH, subject, values
from inventory.model import District


def _prefixes(district: District) -> Iterator[Finding]:
    for index, zone in enumerate(district.zones):
        if zone.kind == "external" and not zone.prefixes:
            yield Finding(("zones", index), f"zone '{zone.id}' is external and has no prefixes")
        if zone.kind == "user" and zone.prefixes:
            at = ("zones", index, "prefixes")
            yield Finding(at, f"zone '{zone.id}' has prefixes", "a user zone's pool is in the address plan")


def _external_twice(district: District) -> Iterator[Finding]:
    seen: dict[IPv4Network, str] = {}
    for index, zone in enumerate(district.zones):
        for place, prefix in enumerate(zone.prefixes):
            if prefix in seen:
                at = ("zones", index, "prefixes", place)
                yield Finding(at, f"zone '{zone.id}': {prefix} belongs to zone '{seen[prefix]}'")
            seen.setdefault(prefix, zone.id)


@needing("uplink")
def _not_accepted(district: District) -> Iterator[Finding]:
    accepted = district.uplink.accept
    for index, zone in enumerate(district.zones):
        for place, prefix in enumerate(zone.prefixes):
            if zone.kind == "external" and not any(prefix.subnet_of(covering) for covering in accepted):
                what = f"zone '{zone.id}': the uplink accepts no route to {prefix}"
                yield Finding(("zones", index, "prefixes", place), what, f"accepted: {', '.join(map(str, accepted))}")


@needing("zones")
def _source(district: District) -> Iterator[Finding]:
    external = {zone.id for zone in district.zones if zone.kind == "external"}
    for index, rule in enumerate(district.rules):
        if rule.source.zone in external:
            what = f"rule '{rule.id}': traffic starts in zone '{rule.source.zone}', which is external"
            yield Finding(("rules", index, "source", "zone"), what, "only users of the district may start traffic")


def _destination(district: District) -> Iterator[Finding]:
    for index, rule in enumerate(district.rules):
        at, to = ("rules", index, "to"), rule.to
        if not to.services and to.zone is None:
            yield Finding(at, f"rule '{rule.id}' leads nowhere", "'to' needs services or a zone")
        if to.zone is not None and not to.ports:
            yield Finding(at, f"rule '{rule.id}' opens zone '{to.zone}' on no port", "a zone needs ports")
        if to.zone is None and to.ports:
            what = f"rule '{rule.id}' gives ports for services"
            yield Finding((*at, "ports"), what, "a service is reached on the ports it publishes in services.yaml")


def _ports(district: District) -> Iterator[Finding]:
    for steps in (("rules", EACH, "to", "ports"), ("services", EACH, "ports")):
        for at, ports in values(district, steps):
            for place, port in enumerate(ports):
                number = int(port.partition("/")[2] or 1)
                if number > 65535:
                    yield Finding((*at, place), f"{subject(district, at)}: '{port}' is not a port", "at most 65535")
                if port in ports[:place]:
                    yield Finding((*at, place), f"{subject(district, at)}: port '{port}' is given twice")


CHECKS = (Check(_prefixes), Check(_external_twice), _not_accepted, _source, Check(_destination), Check(_ports))
