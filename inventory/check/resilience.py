"""What still reaches what when something is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from inventory.addressing import node_platforms
from inventory.check.finding import Check, Finding, needing
from inventory.links import access_id, declared_links
from inventory.model import District

_ALL = ("sites", "devices", "links", "hosts", "units", "uplink")
Graph = Mapping[str, frozenset[str]]


def _graph(district: District) -> Graph:
    """Return the neighbours of each node; ends that do not exist are left out."""
    found: dict[str, set[str]] = {node: set() for node, _ in node_platforms(district)}
    for _, link in declared_links(district):
        one, other = link.ends
        if one in found and other in found:
            found[one].add(other)
            found[other].add(one)
    return {node: frozenset(there) for node, there in found.items()}


def _reached(district: District, graph: Graph, starts: Iterable[str], lost: frozenset[str]) -> set[str]:
    """Return the nodes that have a path from one of the starts over the backbone.

    A design must not lean on a unit's access switch to carry the traffic of others; hosts and the city forward none.
    """
    backbone = {device.id for device in district.devices}
    found = set(starts) - lost
    todo = list(found)
    for here in todo:
        if here not in backbone and here not in starts:
            continue
        fresh = graph[here] - found - lost
        found |= fresh
        todo.extend(fresh)
    return found


def _controllers(district: District) -> frozenset[str]:
    return frozenset(host.id for host in district.hosts if host.role == "controller")


def _at(district: District, kind: str) -> frozenset[str]:
    sites = {site.id for site in district.sites if site.kind == kind}
    devices = (device.id for device in district.devices if device.site in sites)
    return frozenset((*devices, *(host.id for host in district.hosts if host.site in sites)))


@needing(*_ALL)
def _cut_off(district: District) -> Iterator[Finding]:
    graph, known = _graph(district), {device.id for device in district.devices}
    reached = {name: _reached(district, graph, {name}, frozenset()) for name in sorted(_controllers(district))}
    cut = {device: [f"'{name}'" for name in reached if device not in reached[name]] for device in known}
    for index, device in enumerate(district.devices):
        if cut[device.id]:
            what = f"device '{device.id}' cannot be reached from controller {', '.join(cut[device.id])}"
            yield Finding(("devices", index), what)
    for place, peer in enumerate(district.uplink.peers):
        if cut.get(peer.device):
            what = f"uplink: peer '{peer.device}' cannot be reached from controller {', '.join(cut[peer.device])}"
            yield Finding(("uplink", "peers", place, "device"), what)


@needing(*_ALL)
def _without_main(district: District) -> Iterator[Finding]:
    graph, lost, dr = _graph(district), _at(district, "main"), _at(district, "dr")
    if not lost or not dr:
        return
    cut = _reached(district, graph, dr, frozenset()) - _reached(district, graph, dr, lost)
    for index, unit in enumerate(district.units):
        if access_id(unit.id) in cut and all(uplink in graph for uplink in unit.uplinks):
            what = f"unit '{unit.id}' cannot reach the DR site when the main site is lost"
            yield Finding(("units", index, "uplinks"), what, f"uplinks: {', '.join(unit.uplinks)}")


@needing(*_ALL)
def _single_points(district: District) -> Iterator[Finding]:
    graph, controllers = _graph(district), _controllers(district)
    whole = _reached(district, graph, controllers, frozenset())
    for index, device in enumerate(district.devices):
        reached = _reached(district, graph, controllers, frozenset({device.id}))
        cut = [
            unit.id
            for unit in district.units
            if access_id(unit.id) in whole - reached and tuple(unit.uplinks) != (device.id,)
        ]
        if cut:
            what = f"device '{device.id}' is a single point of failure"
            yield Finding(("devices", index), what, f"without it these units are cut off: {', '.join(cut)}")


CHECKS: tuple[Check, ...] = (_cut_off, _without_main)
WARNINGS: tuple[Check, ...] = (_single_points,)
