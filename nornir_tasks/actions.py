"""What a change does to one device, step by step. Functions of a module: a runner may carry them anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netdr.kernel.errors import BusyError, DriftError, RefusedError
from nornir_tasks import verify
from nornir_tasks.diff import digest, drift, effect, unified
from nornir_tasks.plan import Change
from nornir_tasks.session import Claim, DeviceSession, Fence, Health, Neighbours, Question
from nornir_tasks.standing import Where, judge
from nornir_tasks.verify import Before

Redact = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Part:
    """One device's part of a change. ``ours``: names of the change's commits of earlier attempts, if it continues one.

    ``least``: an armed device with fewer seconds left than this is armed anew. ``asked``: what it is asked about its
    health, to be compared at the gate.
    """

    change: Change
    intended: str = field(repr=False)
    asked: Question
    ours: frozenset[str] = frozenset()
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A device that a change may go on with: where it stands, what it was before if it is still so, seconds left."""

    where: Where
    before: Before | None = None
    left: float | None = None


def running(_: str, session: DeviceSession) -> str:
    """Return what a device runs."""
    return session.running()


def fence(_: str, session: DeviceSession) -> Fence:
    """Return who may touch a device."""
    return session.fence()


def claim(_: str, session: DeviceSession, claim: Claim, take_over: bool) -> None:
    """Claim a device for a change. Raise BusyError if another change holds it that is not to be taken over."""
    session.claim(claim, take_over=take_over)


def release(_: str, session: DeviceSession, token: int) -> None:
    """End a change's claim."""
    session.release(token)


def prepare(device: str, session: DeviceSession, redact: Redact, part: Part) -> Ready:
    """Get a device that is to change ready, and return how it is now; nothing that runs is changed.

    Raise BusyError if somebody's commit is pending there, DriftError if it does not run what was planned from,
    RefusedError if it refuses the candidate or its own diff is not the planned one. Of a change that is continued, a
    device may be armed or done already.
    """
    pending, now = session.pending(), session.running()
    stands = judge(part.change, now, pending, part.ours)
    if part.ours and stands.where == "armed" and (stands.left is None or stands.left < part.least):
        session.abandon()
        pending, now = session.pending(), session.running()
        stands = judge(part.change, now, pending, part.ours)
    if part.ours and stands.where in {"armed", "new"}:
        return Ready(stands.where, left=stands.left)
    if pending:
        raise _waiting(device)
    if digest(now) != part.change.running:
        raise _drifted(device, redact(now), redact(part.intended), part.change.diff)
    own = session.load(part.intended)
    if not own.strip() or effect(own) != effect(unified(now, part.intended)):
        why = drift(redact(own), part.change.diff) if own.strip() else "it sees no difference"
        raise RefusedError("the device's own diff is not the planned one", where=device, why=why)
    health = session.health(part.asked)
    return Ready("old", Before(now, health.neighbours, health))


def idle(device: str, session: DeviceSession) -> None:
    """Raise BusyError if something is pending on a device that is not to change: it may be right only for a while."""
    if session.pending():
        raise _waiting(device)


def free(_: str, session: DeviceSession, claim: Claim) -> None:
    """End whatever change holds a device: undo what is pending there."""
    session.claim(claim, take_over=True)
    session.abandon()
    session.release(claim.token)


def _waiting(device: str) -> BusyError:
    hint = "its own timer undoes it; then make the plan again"
    return BusyError("an earlier change still waits for its confirmation", where=device, hint=hint)


def _drifted(device: str, now: str, intended: str, planned: str) -> DriftError:
    return DriftError(
        "somebody changed it since the plan was made",
        where=device,
        why="\n" + drift(planned, unified(now, intended)),
        hint="look at the change, then make the plan again",
    )


def arm(_: str, session: DeviceSession, revert: int, message: str) -> None:
    """Commit the candidate with the device's own timer."""
    session.commit(revert, message)


def still_armed(device: str, session: DeviceSession, armed: frozenset[str]) -> None:
    """Raise RefusedError if a device of ``armed`` does not wait for its confirmation any more."""
    if not session.pending() and device in armed:
        why = session.fate()
        raise RefusedError("it has undone the change by itself", where=device, why=why)


def gate(device: str, session: DeviceSession, armed: frozenset[str], asked: Question | None = None) -> Health | None:
    """Return how a device of a wave is. Raise RefusedError if it has gone back by itself."""
    still_armed(device, session, armed)
    return session.health(asked) if asked else None


def looked_at(
    device: str, session: DeviceSession, armed: frozenset[str], redact: Redact, intended: str = ""
) -> Neighbours:
    """Return whom a device sees; of one that did not change (``intended`` is empty) only that it answers.

    Raise RefusedError if it has reverted, or does not run what was committed, line by line.
    """
    still_armed(device, session, armed)
    if not intended:
        return Neighbours()
    now = session.running()
    if now != intended:
        why = verify.not_as_intended(redact(now), redact(intended))
        raise RefusedError("it does not run what was committed", where=device, why="\n" + why)
    return session.neighbours()


def confirm(_: str, session: DeviceSession) -> None:
    """Make a commit final. Raise RefusedError if none is pending: the device has reverted."""
    session.confirm()


def sealed(device: str, session: DeviceSession, intended: str, redact: Redact) -> None:
    """Raise RefusedError unless a device runs what was confirmed, with nothing pending."""
    now = session.running()
    if now != intended or session.pending():
        why = verify.not_as_intended(redact(now), redact(intended)) or session.fate()
        raise RefusedError("it does not keep what was confirmed", where=device, why="\n" + why)


def discard(_: str, session: DeviceSession) -> None:
    """Forget a candidate."""
    session.discard()


def restore(_: str, session: DeviceSession, before: str) -> str:
    """Given the configuration a device had, make it run that again, for good, and return how it got there.

    A commit that awaits its confirmation is undone; one that is final is replaced by ``before``; a device that never
    changed or that reverted by itself is left alone. Safe to repeat. Raise RefusedError if the device then runs
    something else.
    """
    how = "it had its previous configuration"
    if session.pending():
        session.abandon()
        how = "rolled back"
    if session.running() != before:
        session.load(before)
        session.commit(0, "netdr puts the previous configuration back")
        how = "its previous configuration was put back"
        if session.running() != before:
            hint = "compare with `netdr diff` before anything else"
            raise RefusedError("it does not run what was put back", hint=hint)
    return how


def runs(_: str, session: DeviceSession, text: str) -> bool:
    """Return whether a device runs this configuration, with nothing pending that could still change it."""
    return not session.pending() and session.running() == text
