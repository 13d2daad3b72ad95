"""Who has which address and port: allocated once, deterministically, recorded, and never moved.

The record is the file ``addresses.yaml`` beside the inventory. ``allocate`` keeps every entry whose owner still exists,
so adding a unit in the middle of a list renumbers nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class Record:
    """The allocation of one district.

    ``loopbacks`` by node id; ``links`` (a /31 each) by link name; ``services`` by service id; ``nets`` by
    ``<unit>/<vlan>``; ``ports`` by node id, then by link name or ``vlan<id>``.
    """

    loopbacks: Mapping[str, IPv4Address]
    links: Mapping[str, IPv4Network]
    services: Mapping[str, IPv4Address]
    nets: Mapping[str, IPv4Network]
    ports: Mapping[str, Mapping[str, str]]
