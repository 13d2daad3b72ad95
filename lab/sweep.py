"""Every single failure of a network: what may fail, who must then still reach what, and what was found. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from inventory.network import Network, access_id
from lab import users
from netdr.kernel.errors import UsageError, unknown

# What ``failures`` understands besides the names of links and devices.
GROUPS = ("all", "links", "devices")


@dataclass(frozen=True, slots=True)
class Failure:
    """One link or one device that fails, by name."""

    kind: Literal["link", "device"]
    name: str


@dataclass(frozen=True, slots=True)
class Use:
    """Who must reach what: a unit a service, or a controller a device."""

    kind: Literal["service", "device"]
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A use that a failure ended although the topology has a path without what failed."""

    failure: Failure
    use: Use

    def as_dict(self) -> dict[str, str]:
        """Return the ``--json`` form."""
        source = "unit" if self.use.kind == "service" else "controller"
        failed = {"failure": self.failure.name, "kind": self.failure.kind}
        return {**failed, source: self.use.source, self.use.kind: self.use.target}


@dataclass(frozen=True, slots=True)
class SinglePoint:
    """A failure for which the topology has no other path: who loses what, as it must be."""

    failure: Failure
    lost: tuple[Use, ...]

    @property
    def units(self) -> Mapping[str, tuple[str, ...]]:
        """The services each unit loses."""
        return _by_source(use for use in self.lost if use.kind == "service")

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices the controller loses."""
        return tuple(use.target for use in self.lost if use.kind == "device")

    def as_dict(self) -> dict[str, Any]:
        """Return the ``--json`` form."""
        units = {unit: list(services) for unit, services in self.units.items()}
        return {"name": self.failure.name, "kind": self.failure.kind, "units": units, "devices": list(self.devices)}


@dataclass(frozen=True)
class Swept:
    """The failures that were tried, and what they showed."""

    tried: tuple[Failure, ...]
    findings: tuple[Finding, ...]
    single_points: tuple[SinglePoint, ...]

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many links and devices failed in turn."""
        kinds = [failure.kind for failure in self.tried]
        return {"links": kinds.count("link"), "devices": kinds.count("device")}

    def as_dict(self) -> dict[str, Any]:
        """Return the ``--json`` form."""
        points = [point.as_dict() for point in self.single_points]
        return {**self.counts, "findings": [item.as_dict() for item in self.findings], "single_points": points}


def failures(network: Network, chosen: Collection[str]) -> tuple[Failure, ...]:
    """Return what fails in turn: links first, each once, in the inventory's order.

    ``chosen`` has names of links (ends in any order) and devices, or ``links``, ``devices``, ``all``. Raise UsageError,
    listing the known ones, for any other.
    """
    every = [Failure("link", wire.name) for wire in network.wires]
    every += [Failure("device", node.id) for node in network.devices]
    wanted = {"--".join(sorted(name.split("--"))) for name in chosen}
    if strange := sorted(wanted - {failure.name for failure in every} - set(GROUPS)):
        raise UsageError(unknown("link or device", strange[0], [*GROUPS, *(failure.name for failure in every)]))
    return tuple(item for item in every if wanted & {item.name, f"{item.kind}s", "all"})


def uses(network: Network, controller: str) -> tuple[Use, ...]:
    """Return who must reach what: units the services that the policy lets them use, the controller every device."""
    found = [
        Use("service", unit, service.id)
        for service in network.district.services
        for unit in users.allowed(network, service.id)
    ]
    return (*found, *(Use("device", controller, node.id) for node in network.devices))


def touched(failure: Failure, wanted: Iterable[Use]) -> tuple[Use, ...]:
    """Return the uses a failure can say something about: all but reaching what has failed itself."""
    return tuple(use for use in wanted if use.kind == "service" or use.target != failure.name)


def surviving(
    network: Network, placement: Mapping[str, str], failure: Failure, wanted: Iterable[Use]
) -> frozenset[Use]:
    """Return the uses for which the topology has a path without what failed; ``placement`` says where services are."""
    lost, cut = (frozenset({failure.name} if failure.kind == kind else ()) for kind in ("device", "link"))
    return reachable(network, placement, (lost, cut), wanted)


def reachable(
    network: Network, placement: Mapping[str, str], failed: tuple[frozenset[str], frozenset[str]], wanted: Iterable[Use]
) -> frozenset[Use]:
    """Return the uses for which the topology has a path without the nodes and the links that ``failed``."""
    lost, cut = failed
    near: dict[str, Collection[str]] = {}

    def joined(start: str, end: str) -> bool:
        if start not in near:
            near[start] = network.distances(start, lost, cut).keys()
        return end in near[start]

    return frozenset(
        use
        for use in wanted
        if any(
            joined(start, use.target if use.kind == "device" else access_id(use.source))
            for start in _starts(network, placement, use)
            if start not in lost
        )
    )


def _starts(network: Network, placement: Mapping[str, str], use: Use) -> tuple[str, ...]:
    if use.kind == "device":
        return (use.source,)
    return tuple(host.id for host in network.hosts("services", placement[use.target]))


def judged(
    failure: Failure, wanted: Iterable[Use], paths: Collection[Use], reached: Collection[Use]
) -> tuple[tuple[Finding, ...], SinglePoint | None]:
    """Return what a failure shows: findings, and the single point of failure that it is, if it is one.

    ``paths`` are the uses that must survive, ``reached`` those that packets found alive.
    """
    lost = [use for use in wanted if use not in reached]
    findings = tuple(Finding(failure, use) for use in lost if use in paths)
    honest = tuple(use for use in lost if use not in paths)
    return findings, SinglePoint(failure, honest) if honest else None


def swept(results: Iterable[tuple[Failure, tuple[Finding, ...], SinglePoint | None]]) -> Swept:
    """Return what all failures showed together."""
    kept = tuple(results)
    return Swept(
        tuple(failure for failure, _, _ in kept),
        tuple(finding for _, found, _ in kept for finding in found),
        tuple(point for _, _, point in kept if point is not None),
    )


def _by_source(found: Iterable[Use]) -> Mapping[str, tuple[str, ...]]:
    grouped = defaultdict[str, list[str]](list)
    for use in found:
        grouped[use.source].append(use.target)
    return {source: tuple(targets) for source, targets in grouped.items()}
