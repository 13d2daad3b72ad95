"""What is lost if a device goes wrong, and the order that keeps it small: waves. Pure.

A wave is armed at once and looked at before the next one. The far side comes before the near side, so that a change on
the way never cuts off the hand that makes it; within that, of the devices with the same change the least critical one
comes first and alone: what is wrong with the change shows there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from inventory.network import Network, access_id
from inventory.policy.rules import used
from nornir_tasks.grouping import groups, parameters
from nornir_tasks.paths import Paths

# Devices of one class have the same platform, role and change: what works on one of them works on the others.
Class = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Stake:
    """What is lost while some devices do not work: the services, by unit.

    ``weight`` adds up 3 for every unit that loses a service of tier 1, 2 for tier 2, 1 for tier 3.
    """

    units: Mapping[str, tuple[str, ...]]
    weight: int


class Blast:
    """What is at stake in a network with the services where ``placement`` (service → site) says."""

    def __init__(self, network: Network, placement: Mapping[str, str]) -> None:
        self._network = network
        tiers = {service.id: service.tier for service in network.district.services}
        self._hosts = {
            service: [host.id for host in network.hosts("services", site)]
            for service, site in placement.items()
            if service in tiers
        }
        self._worth = {service: 4 - tiers[service] for service in self._hosts}
        self._used = {unit: [s for s in self._hosts if s in used(network, unit)] for unit in network.units}
        starts = {host for hosts in self._hosts.values() for host in hosts}
        self._whole = {host: network.distances(host) for host in starts}

    def stake(self, devices: Collection[str]) -> Stake:
        """Return what is lost while these devices do not work, of what works when all do."""
        gone = frozenset(devices)
        left: Mapping[str, Collection[str]]
        if len(gone) == 1 and not any(self._only_way(whole, *gone) for whole in self._whole.values()):
            # Nobody's only way: it takes itself away, and nobody else.
            left = {host: self._whole[host].keys() - gone for host in self._whole}
            used = {unit: self._used[unit] for device in gone if (unit := self._unit(device))}
        else:
            left = {host: self._network.distances(host, without=gone).keys() for host in self._whole}
            used = self._used
        units: dict[str, tuple[str, ...]] = {}
        for unit, services in used.items():
            switch = access_id(unit)
            lost = tuple(s for s in services if self._loses(s, switch, left))
            if lost:
                units[unit] = lost
        return Stake(units, sum(self._worth[service] for services in units.values() for service in services))

    def _loses(self, service: str, switch: str, left: Mapping[str, Collection[str]]) -> bool:
        hosts = self._hosts[service]
        served = any(switch in self._whole[host] for host in hosts)
        return served and not any(switch in left[host] for host in hosts)

    def _unit(self, device: str) -> str:
        return self._network.nodes[device].unit if device in self._network.nodes else ""

    def _only_way(self, distances: Mapping[str, int], device: str) -> bool:
        """Return whether a neighbour's every shortest way back leads through a device, counting links."""
        here = distances.get(device, 0)
        for wire in self._network.wires_of(device):
            there = wire.far(device).node
            nearer = {w.far(there).node for w in self._network.wires_of(there)}
            if distances.get(there) == here + 1 and {n for n in nearer if distances.get(n) == here} == {device}:
                return True
        return False


def classes(network: Network, diffs: Mapping[str, str]) -> Mapping[str, Class]:
    """Return the class of each device that a diff changes."""
    values = {device: parameters(network, device) for device in diffs}
    templates = {device: group.skeleton for group in groups(diffs, values) for device in group.devices}
    nodes = {device: network.node(device) for device in diffs}
    return {device: (node.platform, node.role, templates.get(device, "")) for device, node in nodes.items()}


def waves(
    network: Network, paths: Paths, placement: Mapping[str, str], changes: Mapping[str, Class]
) -> tuple[tuple[str, ...], ...]:
    """Given the class of each device that changes, return the waves in which they are armed.

    A device comes after all that are behind it on their management paths, and its role after the roles that have less
    behind them or are farther away. Of each role, the least critical device of each class comes first, then the others.
    A change that only one device gets proves nothing about others: it comes with the others, unless nothing of its role
    would come first.
    """
    critical = partial(_critical, paths, Blast(network, placement))
    tiers = _tiers(network, paths)
    found: list[tuple[str, ...]] = []
    begun: set[Class] = set()
    left = dict.fromkeys(changes)
    while left:
        ready = [device for device in left if not paths.behind(device) & left.keys()]
        lowest = min(tiers[network.node(device).role] for device in ready)
        wave = [device for device in ready if tiers[network.node(device).role] == lowest]
        new = {device: changes[device] for device in wave if changes[device] not in begun}
        if new:
            first = _first({device: new[device] for device in sorted(new, key=critical)})
            begun |= set(new.values())
            wave = [device for device in wave if device in first]
        found.append(tuple(wave))
        for device in wave:
            del left[device]
    return tuple(found)


def _tiers(network: Network, paths: Paths) -> Mapping[str, tuple[int, int]]:
    """Return for each role how much is behind it, then how near it is, if anything is behind it."""
    found: dict[str, tuple[int, int]] = {}
    for role in {node.role for node in network.devices}:
        known = [node.id for node in network.devices if node.role == role and node.id in paths.costs]
        height = max((paths.heights[device] for device in known), default=0)
        found[role] = (height, -min(paths.costs[device] for device in known) if height else 0)
    return found


def _first(changes: Mapping[str, Class]) -> Collection[str]:
    """Given the class of each device, the least critical first, return those that come before the others."""
    sizes = Counter(changes.values())
    first: dict[tuple[str, ...], str] = {}
    for device, change in changes.items():
        if sizes[change] > 1:
            first.setdefault(change, device)
    begun = {change[:2] for change in first}
    for device, change in changes.items():
        if change[:2] not in begun:
            first.setdefault(change[:2], device)
    return first.values()


def _critical(paths: Paths, blast: Blast, device: str) -> tuple[int, int, str]:
    """Return a key that puts the less critical device first: by what is lost, then by how many are behind it."""
    return blast.stake([device]).weight, len(paths.behind(device)), device
