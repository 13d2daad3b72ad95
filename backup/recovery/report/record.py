"""The record of one run of a plan: what was done and what came of it, as programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from backup.recovery.plan import Step
from backup.recovery.report.figures import ServiceFigures
from backup.recovery.run import Done


@dataclass(frozen=True, slots=True)
class Report:
    """A recovery run's record. Times are Unix seconds; ``lost_at`` is when the main site was last known to answer.

    ``plan`` has every step that was to be done; empty if only those that were done are known.
    """

    scenario: str
    run: str
    lost_at: float
    services: Mapping[str, ServiceFigures]
    steps: tuple[Done, ...]
    plan: tuple[Step, ...] = ()

    @property
    def planned(self) -> tuple[Step, ...]:
        """Every step of the plan, as far as it is known."""
        return self.plan or tuple(done.step for done in self.steps)

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that were never begun."""
        done = {item.step.id for item in self.steps}
        return tuple(step for step in self.planned if step.id not in done)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The services that were to come back, in the plan's order: those that it verifies, as far as it is known."""
        verified = (step for step in self.planned if step.service and (not self.plan or step.phase == "verify"))
        return tuple(dict.fromkeys(step.service for step in verified))

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        steps = [
            {
                "step": done.step.id,
                "phase": done.step.phase,
                "service": done.step.service,
                "started": done.started,
                "seconds": round(done.ended - done.started, 2),
                "limit": done.step.limit,
                "facts": dict(done.facts),
                "failure": str(done.failure) if done.failure else "",
            }
            for done in self.steps
        ]
        services = {name: {**asdict(figures), "kept": figures.kept} for name, figures in self.services.items()}
        return {
            "scenario": self.scenario,
            "run": self.run,
            "lost_at": self.lost_at,
            "services": services,
            "steps": steps,
        }
