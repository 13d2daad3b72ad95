"""Wait until routing has settled by asking the packets, not the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TypeVar

from lab.probe import Flow, reached

# One try; what is lost now may find the route that it has not yet.
TRY_S = 0.3

K = TypeVar("K")


def settled(flows: Mapping[K, Flow], quiet_s: float) -> frozenset[K]:
    """Try flows until each has been answered once, or no other was for ``quiet_s`` seconds; return which were.

    Raise Problems if nothing listens at a destination, LabError if a namespace cannot be entered.
    """
    found, waiting = set[K](), dict(flows)
    limit = time.monotonic() + quiet_s
    while waiting and time.monotonic() < limit:
        answers = reached(tuple(waiting.values()), TRY_S)
        fresh = {key for key, answered in zip(waiting, answers, strict=True) if answered}
        if fresh:
            limit = time.monotonic() + quiet_s
        found |= fresh
        waiting = {key: flow for key, flow in waiting.items() if key not in fresh}
    return frozenset(found)
