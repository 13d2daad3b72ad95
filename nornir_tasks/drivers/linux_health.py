"""How a linux device is, read in one request: NAPALM's getters would take one each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from napalm.base.exceptions import CommandErrorException

from nornir_tasks.drivers import linux_getters as getters
from nornir_tasks.drivers import linux_ospf

BGP = "show bgp vrf all neighbors json"
ROUTES = "show ip route json"
COUNTERS = "counters"


class Reads(Protocol):
    """A driver's verbs, as far as they are needed here."""

    def read(self, queries: Sequence[str]) -> Mapping[str, str]:
        """Return what each query prints. Raise CommandErrorException if one is not known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Full OSPF neighbours, established BGP peers, routes that are used, errors by port; None: it cannot say."""

    ospf: frozenset[IPv4Address]
    bgp: frozenset[IPv4Address]
    routes: frozenset[IPv4Network] | None = None
    errors: Mapping[str, int] | None = None


def reading(driver: Reads, *, bgp: bool) -> Reading:
    """Return how a device is. One that knows of neighbours only, as emulated ones do, says only that."""
    sessions = [BGP] if bgp else []
    try:
        shown = driver.read([linux_ospf.COMMAND, ROUTES, COUNTERS, *sessions])
    except CommandErrorException:
        shown = driver.read([linux_ospf.COMMAND, *sessions])
    return decode(shown)


def decode(shown: Mapping[str, str]) -> Reading:
    """Given what each query printed, return the reading. A query that was not asked counts as: it cannot say."""
    neighbours = linux_ospf.decode(shown[linux_ospf.COMMAND])
    vrfs = getters.bgp_neighbors(shown[BGP]).values() if BGP in shown else ()
    return Reading(
        frozenset(neighbour.router_id for neighbour in neighbours if neighbour.full),
        frozenset(IPv4Address(peer) for vrf in vrfs for peer, state in vrf["peers"].items() if state["is_up"]),
        _routes(shown[ROUTES]) if ROUTES in shown else None,
        _errors(shown[COUNTERS]) if COUNTERS in shown else None,
    )


def _routes(shown: str) -> frozenset[IPv4Network]:
    found = json.loads(shown).items()
    return frozenset(IPv4Network(prefix) for prefix, rows in found if any(row.get("selected") for row in rows))


def _errors(shown: str) -> Mapping[str, int]:
    rows = getters.counters(shown).items()
    return {port: row["rx_errors"] + row["tx_errors"] for port, row in rows if port != "lo"}
