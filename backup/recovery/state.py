"""In which state the services' protection is, and which verbs that allows: a state machine, as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from backup.recovery.runs import Past
from inventory.model import District
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError

State = Literal["protected", "failing-over", "failed-over", "committed", "failing-back", "undoing"]
Verb = Literal["failover", "failback", "resume", "undo", "commit", "run"]

# A failover of further services is allowed while others are away already: tiers may move one after the other.
ALLOWED: Mapping[State, tuple[Verb, ...]] = {
    "protected": ("failover", "run"),
    "failing-over": ("resume", "undo"),
    "failed-over": ("failover", "undo", "commit", "failback", "run"),
    "committed": ("failover", "failback", "run"),
    "failing-back": ("resume",),
    "undoing": ("resume",),
}

# What is under way, by what an open run moves.
_MOVING: Mapping[str, State] = {"away": "failing-over", "home": "failing-back"}


def state(past: Sequence[Past], now: Placement, district: District) -> State:
    """Return the state, given all runs of this controller and the placement.

    A run that was stopped before it changed anything leaves the state as it was, and so does one that a newer decision,
    of another controller, has overtaken. Services that another controller has moved are committed: what led there is
    not known here, so it cannot be undone from here.
    """
    for one in past:
        if one.fate == "undoing" and now.epoch <= one.run.after.epoch + 1:
            return "undoing"
        if one.open and one.run.moves != "nowhere" and one.touched and now.epoch <= one.run.after.epoch:
            return _MOVING[one.run.moves]
    if all(now.active[service.id] == service.home for service in district.services):
        return "protected"
    return "failed-over" if reversible(past, now) else "committed"


def reversible(past: Sequence[Past], now: Placement) -> Past | None:
    """Return the failover that can still be taken back: the newest run that moved anything, if nobody committed it."""
    moved = [one for one in past if one.run.moves != "nowhere" and one.fate in {"ended", "committed"}]
    last = moved[-1] if moved else None
    fits = last and last.fate == "ended" and last.run.moves == "away" and last.run.after.epoch == now.epoch
    return last if fits else None


def demand(verb: Verb, found: State) -> None:
    """Raise RecoveryError, naming what is possible, if the verb does not fit the state."""
    if verb not in ALLOWED[found]:
        possible = ", ".join(f"netdr dr {one}" for one in ALLOWED[found])
        raise RecoveryError(f"{verb} is not possible now", why=f"the state is '{found}'", hint=f"possible: {possible}")
