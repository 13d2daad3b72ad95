"""Units: two lines to two sites, or a reviewed reason why not."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.check.finding import Check, Finding, needing
from inventory.model import District


def _one_uplink(district: District) -> Iterator[Finding]:
    for index, unit in enumerate(district.units):
        at = ("units", index, "uplinks")
        if not unit.uplinks:
            yield Finding(at, f"unit '{unit.id}' has no uplink", "two are needed, to two different sites")
        elif len(unit.uplinks) == 1 and not unit.single_uplink:
            yield Finding(
                at,
                f"unit '{unit.id}' has one uplink",
                "two are needed, to two different sites",
                f"if there really is one line to '{unit.uplinks[0]}', say why in 'single_uplink'",
            )
        elif len(unit.uplinks) > 1 and unit.single_uplink:
            at = ("units", index, "single_uplink")
            yield Finding(at, f"unit '{unit.id}' says why it has a single uplink and has {len(unit.uplinks)}")


@needing("devices")
def _one_site(district: District) -> Iterator[Finding]:
    sites = {device.id: device.site for device in district.devices}
    for index, unit in enumerate(district.units):
        through = {sites.get(uplink) for uplink in unit.uplinks}
        if len(unit.uplinks) > 1 and len(through) == 1 and None not in through:
            what = f"unit '{unit.id}': all uplinks go through site '{through.pop()}'"
            yield Finding(("units", index, "uplinks"), what, "a unit must not depend on one site")


@needing("zones")
def _external_vlan(district: District) -> Iterator[Finding]:
    users = sorted(zone.id for zone in district.zones if zone.kind == "user")
    external = {zone.id for zone in district.zones if zone.kind == "external"}
    for index, unit in enumerate(district.units):
        for place, vlan in enumerate(unit.vlans):
            if vlan.zone in external:
                what = f"unit '{unit.id}': VLAN {vlan.id} is in zone '{vlan.zone}', which is external"
                yield Finding(("units", index, "vlans", place, "zone"), what, f"user zones: {', '.join(users)}")


def _single(district: District) -> Iterator[Finding]:
    for index, unit in enumerate(district.units):
        if len(unit.uplinks) == 1 and unit.single_uplink:
            what = f"unit '{unit.id}' depends on its only uplink to '{unit.uplinks[0]}'"
            yield Finding(("units", index, "single_uplink"), what, unit.single_uplink)


CHECKS = (Check(_one_uplink), _one_site, _external_vlan)
WARNINGS = (Check(_single),)
