"""What goes wrong in a chaos run, in which order, and what must hold all the time. Pure.

The same seed on the same inventory gives the same script, so a run that failed can be played again.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inventory.network import Network
from lab.sweep import Use, reachable
from lab.visits import Visit

Kind = Literal["link", "node", "site", "process"]
Act = Literal["break", "heal", "failover", "failback"]
# How often each kind is drawn.
_WEIGHTS: Mapping[Kind, int] = {"link": 8, "node": 4, "site": 4, "process": 4}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is broken: a link, a node or a site without power, a service's processes killed. By name."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is done. ``what`` is None for a failover and a failback."""

    act: Act
    what: Trouble | None = None

    def __str__(self) -> str:
        """Return it as a line of a run's protocol."""
        return f"{self.act} {self.what.kind} {self.what.name}" if self.what else self.act


def script(network: Network, seed: int, rounds: int) -> tuple[Event, ...]:
    """Return what is done in ``rounds`` rounds: each breaks one thing or two, and mends them before the next.

    When the main site is lost the services move to the DR site, and home when it is back.
    """
    draw = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    known = troubles(network)
    return tuple(event for _ in range(rounds) for event in _round(network, draw, known))


def troubles(network: Network) -> Mapping[Kind, tuple[str, ...]]:
    """Return everything that may be broken, by kind.

    Hosts are lost with their site only: a services host that dies alone is for a person to decide on.
    """
    kinds = {site.id: site.kind for site in network.district.sites}
    return {
        "link": tuple(wire.name for wire in network.wires),
        "node": tuple(node.id for node in network.devices),
        "site": tuple(site for site, kind in kinds.items() if network.at_site(site) and kind in _SITES),
        # The program between the web server and the database: a service of pages has none.
        "process": tuple(service.id for service in network.district.services if service.app == "casework"),
    }


# A unit's site is its switch, and that is a node.
_SITES = ("main", "dr", "aggregation")


def _round(network: Network, draw: random.Random, known: Mapping[Kind, Sequence[str]]) -> Iterator[Event]:
    kinds = [kind for kind in _WEIGHTS if known[kind]]
    kind = draw.choices(kinds, [_WEIGHTS[each] for each in kinds])[0]
    first = Trouble(kind, draw.choice(known[kind]))
    second = Trouble("link", draw.choice(known["link"])) if draw.random() < 0.5 else None
    main = {site.id for site in network.district.sites if site.kind == "main"}
    moves = first.kind == "site" and first.name in main
    yield Event("break", first)
    if moves:
        yield Event("failover")
    if second and second != first:
        yield Event("break", second)
        yield Event("heal", second)
    yield Event("heal", first)
    if moves:
        yield Event("failback")


def paths(
    network: Network, placement: Mapping[str, str], broken: Collection[Trouble], wanted: Iterable[Use]
) -> frozenset[Use]:
    """Return the uses that must work while ``broken`` is: there is a path to the active site, and it serves.

    ``placement`` says where each service is active.
    """
    lost = {one.name for one in broken if one.kind == "node"}
    lost |= {node.id for one in broken if one.kind == "site" for node in network.at_site(one.name)}
    cut = {one.name for one in broken if one.kind == "link"}
    dead = {one.name for one in broken if one.kind == "process"}
    serving = [use for use in wanted if use.kind == "device" or use.target not in dead]
    return reachable(network, placement, (frozenset(lost), frozenset(cut)), serving)


@dataclass(frozen=True, slots=True)
class Loss:
    """Acknowledged writes that are gone: how many a failover may lose by the policy, and what nothing explains."""

    explained: int
    unexplained: tuple[str, ...]


def lost(
    visits: Iterable[Visit], service: str, survived: Collection[str], windows: Sequence[tuple[float, float]]
) -> Loss:
    """Given what users met and what the database holds, return what was lost.

    ``windows`` are the times, Unix seconds, in which a write may be lost: before each loss of the active site, as long
    as the policy's RPO.
    """
    gone = [one for one in visits if one.service == service and one.id and one.id not in survived]
    wild = tuple(one.id for one in gone if not any(begin <= one.t <= end for begin, end in windows))
    return Loss(len(gone) - len(wild), wild)
