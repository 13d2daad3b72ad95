"""What a change cost the users while it was made, from probes sent at a steady pace. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet from a unit's user to a service, sent at ``at`` (s on a clock of the caller's), and its fate."""

    unit: str
    service: str
    at: float
    answered: bool


@dataclass(frozen=True, slots=True)
class Loss:
    """What one unit lost: packets sent, packets without an answer, the longest time without one to a service, in s."""

    sent: int
    lost: int
    longest_gap_s: float


def losses(probes: Iterable[Probe], end: float) -> Mapping[str, Loss]:
    """Given all probes in the order they were sent, return each unit's loss; nothing was sent after ``end``.

    A gap begins when the first packet without an answer is sent and ends when the next answered one to the same
    service is, or at ``end``. So it is known to within the pace of the probes.
    """
    flows = defaultdict[tuple[str, str], list[Probe]](list)
    for probe in probes:
        flows[probe.unit, probe.service].append(probe)
    found: dict[str, Loss] = {}
    for (unit, _), sent in flows.items():
        before = found.get(unit, Loss(0, 0, 0.0))
        lost = sum(not probe.answered for probe in sent)
        gap = max(before.longest_gap_s, _longest_gap(sent, end))
        found[unit] = Loss(before.sent + len(sent), before.lost + lost, gap)
    return found


def _longest_gap(sent: Sequence[Probe], end: float) -> float:
    longest, since = 0.0, None
    for probe in sent:
        if probe.answered:
            longest, since = max(longest, probe.at - since if since is not None else 0.0), None
        elif since is None:
            since = probe.at
    return max(longest, end - since) if since is not None else longest
