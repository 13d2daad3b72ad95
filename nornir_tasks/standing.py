"""Where a device stands in a change: as before it, armed, as after it, something else, or out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nornir_tasks.diff import digest
from nornir_tasks.plan import Change
from nornir_tasks.session import DeviceSession, Pending

# old: runs what it ran before, for good · armed: runs what was planned until its timer ends · new: runs that for good ·
# other: runs something else, or has somebody else's commit pending · silent: does not answer
Where = Literal["old", "armed", "new", "other", "silent"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One device, asked now. ``left`` are the seconds until an armed one goes back by itself, if it tells."""

    where: Where
    left: float | None = None
    note: str = ""


def judge(change: Change, running: str, pending: Pending | None, ours: frozenset[str]) -> Standing:
    """Given what a device of a plan runs and what it has pending, return where it stands. Pure.

    ``ours`` are the names of the change's own commits; a platform that names none is believed.
    """
    now = digest(running)
    if pending is None:
        where: Mapping[str, Where] = {change.intended: "new", change.running: "old"}
        return Standing(where.get(now, "other"))
    if pending.identity and pending.identity not in ours:
        return Standing("other", pending.left, "somebody else's commit awaits its confirmation")
    if now != change.intended:
        return Standing("other", pending.left, "what it has pending is not what was planned")
    return Standing("armed", pending.left)


def stand(_: str, session: DeviceSession, ours: frozenset[str], change: Change) -> Standing:
    """Ask a device where it stands."""
    return judge(change, session.running(), session.pending(), ours)
