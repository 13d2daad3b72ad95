"""The ways by which devices are managed: in band, from a controller, over the links that are also to be changed. Pure.

A management path is a shortest path by OSPF cost (RFC 2328, 16.1); of several equally short ones each may carry a
packet. Hosts and the city do not forward, so no path leads through them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from inventory.network import Network, Wire

Place = TypeVar("Place")


@dataclass(frozen=True)
class Paths:
    """All shortest paths from ``start`` to devices. ``costs`` has what can be reached, nearest first, and ``start``.

    ``before`` has, for each of them, the neighbours by which a shortest path comes to it.
    """

    start: str
    costs: Mapping[str, int]
    before: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, network: Network, start: str) -> Paths:
        """Return the shortest paths of a network when nothing of it is broken."""
        costs: dict[str, int] = {}
        before: dict[str, list[str]] = {start: []}
        waiting = [(0, start)]
        best = {start: 0}
        while waiting:
            cost, here = heapq.heappop(waiting)
            if here in costs:
                continue
            costs[here] = cost
            for there, length in _onward(network, start, here):
                if there not in best or cost + length < best[there]:
                    best[there], before[there] = cost + length, [here]
                    heapq.heappush(waiting, (cost + length, there))
                elif cost + length == best[there]:
                    before[there].append(here)
        return cls(start, costs, {node: tuple(dict.fromkeys(before[node])) for node in costs})

    def to(self, node: str) -> Iterator[tuple[str, ...]]:
        """Yield every shortest path to a node, from ``start`` to the node itself; none if it cannot be reached."""
        if node == self.start:
            yield (node,)
        for neighbour in self.before.get(node, ()):
            for path in self.to(neighbour):
                yield (*path, node)

    def through(self, node: str) -> frozenset[str]:
        """Return the devices that every shortest path to a device leads through, without its ends."""
        return self._through.get(node, frozenset()) - {self.start, node}

    @cached_property
    def _through(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for node in self.costs:  # nearest first, so what comes before is known
            ways = [found[neighbour] for neighbour in self.before[node]]
            found[node] = (frozenset.intersection(*ways) if ways else frozenset()) | {node}
        return found

    def behind(self, node: str) -> frozenset[str]:
        """Return the devices to which every shortest path leads through this one."""
        return self._behind.get(node, frozenset())

    @cached_property
    def _behind(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for node in self.costs:
            for nearer in self.through(node):
                found.setdefault(nearer, set()).add(node)
        return {node: frozenset(farther) for node, farther in found.items()}

    @cached_property
    def heights(self) -> Mapping[str, int]:
        """How many devices deep it goes on behind each one: 0 if nothing is behind it."""
        found: dict[str, int] = {}
        for node in reversed(tuple(self.costs)):
            found[node] = 1 + max((found[farther] for farther in self.behind(node)), default=-1)
        return found


def _onward(network: Network, start: str, here: str) -> Iterator[tuple[str, int]]:
    for wire in network.wires_of(here):
        there = wire.far(here).node
        if network.nodes[there].kind == "device" and there != start:
            yield there, wire.cost


def reachable(network: Network, start: str, nodes: Iterable[str] = (), links: Iterable[str] = ()) -> frozenset[str]:
    """Return the nodes that ``start`` can reach on any way when these nodes and links, named by id, are gone."""
    no_nodes, no_links = frozenset(nodes), frozenset(links)

    def whole(wire: Wire) -> bool:
        return wire.name not in no_links and not no_nodes & {end.node for end in wire.ends}

    def steps(here: str) -> Iterator[str]:
        if here == start or network.nodes[here].kind == "device":
            yield from (wire.far(here).node for wire in network.wires_of(here) if whole(wire))

    return spread(start, steps)


def spread(start: Place, steps: Callable[[Place], Iterable[Place]]) -> frozenset[Place]:
    """Return what can be reached from ``start`` when ``steps`` says where one gets from each place at once."""
    found, waiting = {start}, [start]
    while waiting:
        for there in steps(waiting.pop()):
            if there not in found:
                found.add(there)
                waiting.append(there)
    return frozenset(found)
