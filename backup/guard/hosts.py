"""How a controller talks to the guards of the services hosts: one short command over ssh, both ways."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backup.guard.book import Book
from backup.guard.decide import Order
from backup.guard.files import Place, Standing, dump_order
from backup.host import Shell
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError

# Seconds for one exchange, and to hand a book over and start the guard.
LIMIT, ACCEPT = 10.0, 20.0
# Prints the host's clock and how its guard stands, then takes what comes as this controller's order.
_EXCHANGE = """
cd "$1" && cut -d " " -f 1 /proc/uptime && cat standing.json || exit 3
if [ -n "$2" ]; then cat > "orders/.$2" && mv "orders/.$2" "orders/$2.json"; fi
"""
# How many looks a guard may be late before it counts as dead.
_LATE = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """What a host said: how its guard stood, and how many seconds ago that was."""

    standing: Standing
    age: float

    def guarded(self, book: Book) -> bool:
        """Return whether the guard lives and has this very book."""
        return self.standing.book == book.mark and self.age < _LATE * book.pace.every


def exchange(shell: Shell, controller: str = "", order: Order | None = None, life: str = "") -> Heard | None:
    """Give a host's guard the order of a controller, if there is one; return how the guard stood before it.

    None if the host has no guard. Raise UnreachableError if the host does not answer.
    """
    given = dump_order(order, life) if order else ""
    argv = ["sh", "-c", _EXCHANGE, "sh", str(Place().runtime), controller if order else ""]
    result = shell.run(argv, limit=LIMIT, stdin=given)
    clock, _, text = result.out.partition("\n")
    try:
        standing = Standing.load(text)
        return Heard(standing, float(clock) - standing.at)
    except ValueError:
        return None


def hand_over(shell: Shell, book: Book, placement: Placement, *, confirmed: bool) -> None:
    """Give a host its book and start its guard. Raise RecoveryError with its own words if that fails.

    A host that never had a guard begins with ``placement``; if that is ``confirmed``, what it serves goes on.
    """
    netdr = str(Path(sys.executable).with_name("netdr"))
    handed = {"book": book.dump(), "epoch": placement.epoch, "active": dict(placement.active), "confirmed": confirmed}
    result = shell.run([netdr, "dr", "guard", "accept"], limit=ACCEPT, stdin=json.dumps(handed))
    if result.code != 0:
        hint = "is netdr installed there at the same path as here?"
        raise RecoveryError("the host's guard does not start", where=shell.name, why=result.last_words, hint=hint)


def await_leave(shell: Shell, service: str, limit: float, wait: Callable[[float], object] = time.sleep) -> None:
    """Return when the guard of a host lets a service be served there, at once if it has none.

    Raise RecoveryError if it does not within ``limit`` seconds.
    """
    end = time.monotonic() + limit
    while (heard := exchange(shell)) and service not in heard.standing.may:
        if time.monotonic() > end:
            held = heard.standing.held
            why = f"it goes by epoch {held.epoch}, {'confirmed' if held.confirmed else 'which nobody has confirmed'}"
            hint = "netdr dr watch --once says what the controllers wait for"
            raise RecoveryError(f"the guard does not let {service} be served", where=shell.name, why=why, hint=hint)
        wait(0.5)
