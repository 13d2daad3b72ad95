"""All risks of a network, and what a change adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inventory.network import Network
from inventory.risk.pairs import pairs
from inventory.risk.people import Escrow, people
from inventory.risk.protection import protection
from inventory.risk.rehearsal import Rehearsed, rehearsal
from inventory.risk.risk import Risk, rank
from inventory.risk.single import single_points
from inventory.risk.standing import standing
from netdr.kernel.errors import NetdrError


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here besides the inventory, at a Unix time: the escrow if any, and by service the last recovery.

    ``broken``: what is wrong with the backups of each asset, as far as the hosts were asked.
    """

    now: float
    escrow: Escrow | None = None
    rehearsed: Mapping[str, Rehearsed] = field(default_factory=dict)
    broken: Mapping[str, Sequence[NetdrError]] = field(default_factory=dict)


def risks(network: Network, known: Known) -> tuple[Risk, ...]:
    """Return everything found, the most important first."""
    found = (
        *single_points(network),
        *pairs(network),
        *protection(network),
        *people(network, known.escrow),
        *standing(network, known.broken),
        *rehearsal(network, known.rehearsed, known.now),
    )
    return tuple(sorted(found, key=rank))


def added(before: Network, after: Network) -> tuple[Risk, ...]:
    """Return the single points of failure that ``after`` has and ``before`` has not, each with the units it is new for.

    That a new unit has a switch and lines of its own is no news, nor that what others depend on until the services have
    been moved, or after that, it depends on as well.
    """
    known = {risk.key: risk.pairs for risk in single_points(before)}
    found = []
    for risk in single_points(after):
        if risk.own and risk.own not in before.units:
            continue
        news = risk.key not in known or risk.effect == "outage"
        new = {unit for unit, _ in risk.pairs - known.get(risk.key, frozenset()) if news or unit in before.units}
        if new:
            found.append(replace(risk, units={unit: lost for unit, lost in risk.units.items() if unit in new}))
    return tuple(sorted(found, key=rank))
