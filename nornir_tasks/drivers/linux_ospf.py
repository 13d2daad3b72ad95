"""OSPF neighbours of a linux device. NAPALM has no getter for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

COMMAND = "show ip ospf neighbor json"


class Commands(Protocol):
    """A driver, as far as it is needed here."""

    def cli(self, commands: list[str]) -> Mapping[str, str]:
        """Return what each command prints."""


@dataclass(frozen=True, slots=True)
class OspfNeighbour:
    """A router on the other side of an interface, and how far the adjacency is: ``state`` in RFC 2328's words."""

    router_id: IPv4Address
    address: IPv4Address
    interface: str
    state: str

    @property
    def full(self) -> bool:
        """Whether the two routers have the same database."""
        return self.state == "Full"


def ospf_neighbours(driver: Commands) -> tuple[OspfNeighbour, ...]:
    """Return the device's OSPF neighbours by interface; none if OSPF does not run there."""
    return decode(driver.cli([COMMAND])[COMMAND])


def decode(shown: str) -> tuple[OspfNeighbour, ...]:
    """Given FRR's answer to ``COMMAND``, return the neighbours by interface."""
    found = [
        OspfNeighbour(
            IPv4Address(router_id),
            IPv4Address(row["ifaceAddress"]),
            row["ifaceName"].partition(":")[0],
            row["nbrState"].partition("/")[0],
        )
        for router_id, rows in json.loads(shown).get("neighbors", {}).items()
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: (one.interface, one.router_id)))
