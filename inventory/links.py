"""The links a district implies, and how nodes and links are named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from inventory.model import District, Link

LinkKind = Literal["backbone", "uplink", "host", "city"]


def link_name(one: str, other: str) -> str:
    """Return the name of the link between two nodes, the same whichever is named first."""
    return "--".join(sorted((one, other)))


def access_id(unit: str) -> str:
    """Return the id of a unit's access switch."""
    return f"acc-{unit}"


def declared_links(district: District) -> Iterator[tuple[LinkKind, Link]]:
    """Yield every link the district implies, with its kind: backbone, units' uplinks, hosts' uplinks, city lines."""
    for link in district.links:
        yield "backbone", link
    for unit in district.units:
        for number, uplink in enumerate(unit.uplinks):
            # The second uplink costs more, so that the path of a unit is the same on every day that nothing is broken.
            yield "uplink", Link(ends=(access_id(unit.id), uplink), cost=10 + 90 * number)
    for host in district.hosts:
        for uplink in host.uplinks:
            yield "host", Link(ends=(host.id, uplink))
    for peer in district.uplink.peers:
        yield "city", Link(ends=(district.uplink.id, peer.device))
