"""What the steps of one run are about: the world, the services, the placement before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backup.recovery.plan import Step
from backup.recovery.scenario import Scenario
from backup.recovery.world import Facts, World, site_of_kind
from inventory.asset import Service
from inventory.holding import services_host
from inventory.placement import Placement


@dataclass(frozen=True)
class Scene:
    """``now`` and ``after``: the placements before and after. ``subject``: the site or device that it is about.

    ``moment``: the point in time asked for (ISO 8601), ``found``: the facts of the steps that are done, by step.
    """

    world: World
    services: tuple[Service, ...]
    now: Placement
    after: Placement
    subject: str = ""
    moment: str = ""
    found: dict[str, Facts] = field(default_factory=dict)

    @property
    def back(self) -> Placement:
        """The placement that takes the move back: a decision of its own, newer than the move."""
        return Placement(self.after.epoch + 1, self.now.active)

    @property
    def home(self) -> str:
        """The services host of the main site."""
        return services_host(self.world.network, site_of_kind(self.world.network, "main"))

    @property
    def away(self) -> str:
        """The services host of the DR site."""
        return services_host(self.world.network, site_of_kind(self.world.network, "dr"))

    def active(self, service: str) -> str:
        """Return the host where a service is active before the run."""
        return services_host(self.world.network, self.now.active[service])

    def service(self, step: Step) -> Service:
        """Return the service that a step serves."""
        return next(one for one in self.services if one.id == step.service)


def moved(scenario: Scenario, services: Sequence[Service], now: Placement) -> Placement:
    """Return the placement after a scenario: the same one if it moves nothing."""
    to: Mapping[str, Mapping[str, str]] = {
        "away": {service.id: service.standby for service in services},
        "home": {service.id: service.home for service in services},
        "nowhere": {},
    }
    targets = to[scenario.written.moves]
    return now.moved(targets) if targets else now
