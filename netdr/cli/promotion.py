"""What a recovery has to wait for where the services hosts are guarded: never two active sites.

Where no watch has ever looked (``netdr dr watch``) there are no guards, and nothing is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from backup.guard import clock, hosts, memory, watch
from backup.guard.decide import Pace
from backup.guard.watch import Cast, View
from backup.host import Shell
from inventory.network import Network
from netdr.kernel.errors import RecoveryError
from nornir_tasks import engine

# Seconds between two questions, and how long a guard may take to let a service be served.
_AGAIN, _LEAVE = 1.0, 60.0


def await_promotion(network: Network, state: Path, answering: Callable[[Sequence[str]], Collection[str]]) -> None:
    """Return when another site may be made active, as the watch of this controller sees it.

    It waits while the old site has been silent for too short a time. Raise RecoveryError, with everything that stands
    against it, if waiting does not help. ``answering``: of the nodes named, those that answer this controller.
    """
    if not memory.used(state):
        return
    who = Cast.of(network, engine.controller(network), Pace())
    end = time.monotonic() + who.pace.silence + 3 * who.pace.every
    while True:
        there = answering(who.nodes)
        found = watch.verdict(who, memory.load(state) or View(), there, clock.now())
        if found.allowed:
            return
        if found.why or time.monotonic() > end:
            seen = [f"{node} was seen less than {who.pace.silence:.0f} s ago" for node in sorted(found.waits)]
            hint = "netdr dr watch has to run on this controller; netdr dr watch --once says what it sees"
            raise RecoveryError("no other site may be made active yet", why="; ".join((*found.why, *seen)), hint=hint)
        time.sleep(_AGAIN)


def await_leave(state: Path, shell: Shell, service: str) -> None:
    """Return when the guard of a host lets a service be served there. Raise RecoveryError if it does not in time."""
    if memory.used(state):
        hosts.await_leave(shell, service, _LEAVE)
