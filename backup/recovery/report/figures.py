"""What a recovery achieved, from what was done: RTO and RPO per service, the RTO split by phase. Pure.

The split follows the way by which the service was late: from its last verification back to the step that this one had
to wait for, and so on. Every second between the loss and the verified answer counts for exactly one phase, so the
phases add up to the RTO. What passes before the first step begins is ``detect``: the loss had to be noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from backup.recovery.plan import Phase
from backup.recovery.run import Done
from inventory.asset import Protection, Service
from inventory.network import Network

# The actions that bring data that was saved after all writing had ended: nothing of it is lost.
CARRYING = ("carry-home",)
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """One service's result in seconds. ``rpo_s`` is None when nothing was restored (the data moved without loss).

    ``phases`` splits ``rto_s``; ``decide`` in it is people's time.
    """

    rto_s: float
    rto_allowed_s: int
    rpo_s: float | None
    rpo_allowed_s: int
    snapshot: str
    phases: Mapping[Phase, float] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether the policy's promise was kept."""
        return self.rto_s <= self.rto_allowed_s and (self.rpo_s is None or self.rpo_s <= self.rpo_allowed_s)


def figures(
    network: Network, services: Sequence[str], lost_at: float, steps: Sequence[Done]
) -> dict[str, ServiceFigures]:
    """Given what was done, return each service's figures: RTO to its verified answer, RPO by its data's age.

    A service that was not verified has none.
    """
    good = [done for done in steps if done.failure is None]
    known = {service.id: service for service in network.district.services}
    protections = {protection.id: protection for protection in network.district.protections}
    found = {}
    for name in services:
        verified = [done for done in good if done.step.phase == "verify" and done.step.service == name]
        if verified:
            last = max(verified, key=lambda done: done.ended)
            found[name] = _figures(known[name], protections[known[name].protection], lost_at, good, last)
    return found


def _figures(
    service: Service, policy: Protection, lost_at: float, steps: Sequence[Done], verified: Done
) -> ServiceFigures:
    fetched = [done for done in steps if done.step.service == service.id and _brought_a_copy(done)]
    facts = fetched[-1].facts if fetched else {}
    as_of = facts.get("as_of")
    return ServiceFigures(
        rto_s=round(verified.ended - lost_at, 2),
        rto_allowed_s=policy.rto,
        rpo_s=round(max(0.0, lost_at - as_of), 2) if isinstance(as_of, float | int) else None,
        rpo_allowed_s=policy.rpo,
        snapshot=str(facts.get("snapshot", "")),
        phases=split(lost_at, steps, verified),
    )


def _brought_a_copy(done: Done) -> bool:
    """Return whether a step took what was saved before the loss; what is carried is saved after the writing ended."""
    return done.step.phase == "fetch" and done.step.does not in CARRYING


def split(lost_at: float, steps: Sequence[Done], verified: Done) -> dict[Phase, float]:
    """Return how many seconds between the loss and the end of a step went to which phase, those without any left out.

    A step counts from the end of the last of those it needed: that is when it could have begun.
    """
    found = dict.fromkeys(PHASES, 0.0)
    here: Done | None = verified
    end = verified.ended
    while here is not None and end > lost_at:
        before = max(_needed(here, steps, verified.step.service), key=lambda done: done.ended, default=None)
        begun = max(lost_at, min(end, before.ended if before else here.started))
        found[here.step.phase] += end - begun
        here, end = before, begun
    found["detect"] += max(0.0, end - lost_at)
    return {phase: round(seconds, 2) for phase, seconds in found.items() if seconds > 0}


def _needed(done: Done, steps: Sequence[Done], service: str) -> list[Done]:
    """Return what a step had to wait for; if that was not written down, what the service had come to before it."""
    if done.step.needs:
        return [other for other in steps if other.step.id in done.step.needs]
    return [other for other in steps if other.ended <= done.started and other.step.service in {"", service}]
