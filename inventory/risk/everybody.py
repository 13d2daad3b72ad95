"""Whom it hits if a recovery fails as a whole, or that of some services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inventory.network import Network
from inventory.policy.rules import used
from inventory.risk.risk import NO_TIER


def everybody(network: Network, services: Iterable[str] | None = None) -> tuple[Mapping[str, tuple[str, ...]], int]:
    """Return which unit loses which of some services (by default of all), and the tier of the most important one."""
    wanted = set(services) if services is not None else set(network.services)
    ordered = [service for service in network.district.services if service.id in wanted]
    units = {}
    for unit in network.units:
        permitted = used(network, unit)
        if lost := tuple(service.id for service in ordered if service.id in permitted):
            units[unit] = lost
    return units, min((service.tier for service in ordered), default=NO_TIER)
