"""The rules by which no two sites ever serve the same service, as pure functions. Times are seconds.

Every sign of contact is worth ``Pace.lease`` seconds and no more:

1. A host serves what its record of the placement gives to its site, if a controller has confirmed that epoch since the
   host booted or was cut off, and its last contact (a confirmation, or a majority of the witnesses) is younger than the
   lease. So a dead controller stops nothing, and a host that is alone stops by itself.
2. A controller confirms only while it is entitled to: every other controller answers and knows nothing newer, or it was
   entitled less than a lease ago and reaches a majority of the witnesses. One that has booted or was cut off longer has
   to hear every other controller first, or a person (``netdr dr confirm``).
3. An epoch is confirmed only when it is settled: every other controller and every other host has written it down, or
   nobody has seen that node for ``Pace.silence``, longer than a lease.

The rules hold as long as no line comes and goes again between two looks at it (``Pace.every``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Pace:
    """``lease``: what a sign of contact is worth. ``every``: between two looks. Both in seconds."""

    lease: float = 30.0
    every: float = 5.0

    @property
    def silence(self) -> float:
        """How long nothing of a node may have been seen before others act as if it had stopped serving."""
        return self.lease + 2 * self.every


@dataclass(frozen=True, slots=True)
class Order:
    """What a controller tells a host: the placement it knows, and whether that is confirmed.

    ``asked`` is the host's own time, as the host told it before the controller looked whether it may confirm; None
    confirms nothing. So a message that was long under way is worth no more than it was when it was asked for.
    """

    epoch: int
    active: Mapping[str, str]
    asked: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What a host goes by: its record of the placement, whether that is confirmed, when it last had contact."""

    epoch: int
    active: Mapping[str, str]
    confirmed: bool = False
    heard: float = NEVER


def obey(held: Held, order: Order, now: float, pace: Pace) -> Held:
    """Return what a host holds after an order: a newer placement is taken over, an older one means nothing.

    In the same epoch only services are new that were not there when it was decided. Contact is counted from when the
    confirmation was asked for.
    """
    if order.epoch > held.epoch:
        held = Held(order.epoch, order.active)
    elif order.epoch == held.epoch:
        held = replace(held, active={**order.active, **held.active})
    fresh = order.asked is not None and 0 <= now - order.asked < pace.lease
    if order.epoch != held.epoch or order.asked is None or not fresh:
        return held
    return replace(held, confirmed=True, heard=max(held.heard, order.asked))


def aged(held: Held, now: float, pace: Pace) -> Held:
    """Return what a host still holds ``now``: nothing is confirmed any more when the last contact is too old."""
    return held if now - held.heard < pace.lease else replace(held, confirmed=False)


def witnessed(held: Held, began: float, reached: int, asked: int, pace: Pace) -> Held:
    """Return what a host holds after it pinged ``asked`` witnesses, beginning at ``began``, and ``reached`` answered.

    A majority keeps up what is confirmed; it never confirms.
    """
    held = aged(held, began, pace)
    if held.confirmed and majority(reached, asked):
        return replace(held, heard=max(held.heard, began))
    return held


def served(held: Held, site: str, now: float, pace: Pace) -> frozenset[str]:
    """Return the services that the host at ``site`` may serve ``now``."""
    if not aged(held, now, pace).confirmed:
        return frozenset()
    return frozenset(service for service, active in held.active.items() if active == site)


def majority(votes: int, of: int) -> bool:
    """Return whether ``votes`` are more than half."""
    return 2 * votes > of


@dataclass(frozen=True, slots=True)
class Right:
    """A controller's right to confirm: whether it has it now, whether it is in step, when it last had it."""

    entitled: bool = False
    in_step: bool = False
    had: float = NEVER


def right(before: Right, now: float, pace: Pace, *, all_agree: bool, has_majority: bool) -> Right:
    """Return a controller's right after a look.

    ``all_agree``: every other controller answered and none knows of a newer placement than this one has by now.
    """
    in_step = all_agree or (before.in_step and now - before.had < pace.lease)
    entitled = all_agree or (in_step and has_majority)
    return Right(entitled, in_step, now if entitled else before.had)


@dataclass(frozen=True, slots=True)
class Sight:
    """When a controller last looked, and when each node was last seen by it or by a witness."""

    looked: float
    seen: Mapping[str, float]


def sighted(
    before: Sight | None, now: float, nodes: Collection[str], there: Collection[str] | None, pace: Pace
) -> Sight:
    """Return the sight after a look at ``nodes``: ``there`` are those that the controller or any witness reaches.

    ``there`` is None if a majority of the witnesses could not be asked: then nobody knows, so all count as seen. So do
    they after a pause in looking of half a lease.
    """
    blind = there is None or before is None or now - before.looked > pace.lease / 2
    seen = {} if before is None else before.seen
    return Sight(now, {node: now if blind or node in (there or ()) else seen.get(node, now) for node in nodes})


def unsettled(epoch: int, known: Mapping[str, int], sight: Sight, now: float, pace: Pace) -> Mapping[str, float]:
    """Return the nodes for whose sake ``epoch`` may not be confirmed yet, and for how many seconds if all stays so.

    ``known``: the epoch that each node in sight is known to have written down.
    """
    waits = {node: pace.silence - (now - seen) for node, seen in sight.seen.items() if known.get(node, -1) < epoch}
    return {node: wait for node, wait in waits.items() if wait > 0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a site may be made active now. ``waits``: nodes and for how many seconds more; ``why``: other reasons."""

    why: tuple[str, ...]
    waits: Mapping[str, float]

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return not self.why and not self.waits


def may_promote(sight: Sight | None, right_now: Right, answering: Collection[str], now: float, pace: Pace) -> Verdict:
    """Return whether a controller may decide that another site is active.

    ``sight`` is of the old site's hosts and the other controllers, None if nobody has looked; ``answering``: those of
    them that will write the new epoch down when they are told. Everybody else must have been silent long enough.
    """
    why = []
    if not right_now.in_step:
        why.append("this controller has booted or was cut off and has not heard from every other controller since")
    elif not right_now.entitled:
        why.append("this controller reaches no majority of the witnesses: it may itself be the one that is cut off")
    if sight is None or now - sight.looked > pace.lease / 2:
        return Verdict((*why, "nobody has been watching the other site"), {})
    return Verdict(tuple(why), unsettled(1, dict.fromkeys(answering, 1), sight, now, pace))
