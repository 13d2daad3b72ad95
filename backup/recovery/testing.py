"""A world in memory: sites whose nodes can be lost, services with data that can be copied, a network that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backup.recovery.plan import Step
from backup.recovery.world import Facts, Point, World
from inventory.asset import Service
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError, UnreachableError


class FakeWorld:
    """``lost`` holds the nodes that do not answer, ``cut_off`` the switches that see nothing of the main site.

    ``data`` is what each host has of each service, ``copies`` what the DR repository has, ``running`` the active
    (host, service) pairs, ``log`` everything that was asked, in order. ``snapshots`` is what ``list`` tells of each
    service, ``says`` what a person answers to a step; to others they say yes. What begins as ``fails`` says breaks.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.lost: set[str] = set()
        self.data: dict[tuple[str, str], int] = {}
        self.copies: dict[str, int] = {}
        self.running: set[tuple[str, str]] = set()
        self.placements: list[Placement] = []
        self.announced: Placement | None = None
        self.log: list[str] = []
        self.snapshots: dict[str, list[Facts]] = {}
        self.says: dict[str, str] = {}
        self.fails = ""

    def world(self) -> World:
        """Return the world as a recovery sees it."""
        return World(
            network=self.network,
            services=self,
            answering=self.answering,
            witness=self.witness,
            change=self.change,
            decide=self.record,
            configure=self.configure,
            people=self,
        )

    def note(self, line: str) -> None:
        """Write down what was asked. Raise RecoveryError if it begins with what ``fails`` says."""
        self.log.append(line)
        if self.fails and line.startswith(self.fails):
            raise RecoveryError("it broke", where=line)

    def record(self, placement: Placement) -> None:
        """Record a placement."""
        self.note(f"record {placement.epoch}")
        self.placements.append(placement)

    def answering(self, nodes: Sequence[str]) -> tuple[str, ...]:
        """Return the nodes that are not lost."""
        return tuple(node for node in nodes if node not in self.lost)

    def witness(self, switch: str, nodes: Sequence[str]) -> tuple[str, ...]:
        """Return what the switch reaches: everything that is not lost."""
        if switch in self.lost:
            raise UnreachableError("no answer", where=switch)
        return self.answering(nodes)

    def change(self, placement: Placement) -> Facts:
        """Announce the services where the placement says."""
        self.note(f"change {placement.epoch}")
        self.announced = placement
        return {"changed": 1}

    def control(self, host: str, service: str, verb: str, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Start or stop; nothing starts without data."""
        self.note(f"{verb} {service} on {host}")
        if verb == "start" and (host, service) not in self.data:
            raise RecoveryError("there is no data", where=host)
        if verb != "status":
            (self.running.add if verb == "start" else self.running.discard)((host, service))
        return {}

    def restore(self, host: str, service: str, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Put the copy in place."""
        self.note(f"restore {service} on {host}")
        if service not in self.copies:
            raise RecoveryError("there is no copy", where=service)
        self.data[host, service] = self.copies[service]
        return {"snapshot": "0" * 64, "as_of": float(self.copies[service])}

    def carry(self, source: str, target: str, service: str, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Move the last state; a service that still runs is refused, as it would go on changing."""
        self.note(f"carry {service} to {target}")
        if (source, service) in self.running:
            raise RecoveryError("the service still runs", where=source)
        self.data[target, service] = self.data[source, service]
        return {"snapshot": "1" * 64, "as_of": float(self.data[source, service])}

    def use(self, service: Service, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Answer where the announced site runs the service."""
        site = self.announced.active[service.id] if self.announced else service.home
        host = self.network.hosts("services", site)[0].id
        if (host, service.id) not in self.running:
            raise RecoveryError("no answer", where=service.id)
        return {"from": host}

    def bring(self, service: str, point: Point, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Put a point of the past into place where the service is active."""
        self.note(f"bring {service} {point.snapshot or point.moment or 'newest'}")
        site = self.placements[-1].active[service] if self.placements else self._home(service)
        host = self.network.hosts("services", site)[0].id
        if (host, service) in self.running:
            raise RecoveryError("the service still runs", where=host)
        self.data[host, service] = self.copies[service]
        return {"snapshot": point.snapshot or "2" * 64, "as_of": float(self.copies[service])}

    def job(self, verb: str, service: str, limit: float) -> Facts:  # noqa: ARG002 - Services
        """Copy, or tell of the snapshots."""
        self.note(f"{verb} {service}")
        return {"snapshots": self.snapshots.get(service, [])}

    def configure(self, devices: Sequence[str]) -> Facts:
        """Bring devices to their intended state."""
        self.note(f"configure {', '.join(devices)}")
        return {"changed": list(devices)}

    def decide(self, step: Step, known: Mapping[str, Facts], limit: float) -> str:  # noqa: ARG002 - People
        """Say yes, unless ``says`` has another word for the step."""
        if self.says.get(step.id, "yes") != "yes":
            raise RecoveryError("not agreed", where=step.id)
        return "a person"

    def report(self, step: Step, limit: float) -> str:  # noqa: ARG002 - People
        """Say what ``says`` has for the step. Raise RecoveryError if that is nothing."""
        if step.id not in self.says:
            raise RecoveryError("nobody answers", where=step.id)
        return self.says[step.id]

    def _home(self, service: str) -> str:
        return next(one.home for one in self.network.district.services if one.id == service)
