"""The person at the terminal, as a recovery asks: for a decision, or for what was done by hand."""

from __future__ import annotations

import getpass
import select
import sys
import time
from collections.abc import Mapping
from threading import Event, Lock

import click

from backup.recovery.plan import Step
from backup.recovery.world import Facts
from netdr.cli.context import Context
from netdr.kernel.errors import RecoveryError

# Seconds between two looks whether somebody has typed a line, or wants to stop.
_LOOK_S = 0.2
_YES = {"y", "yes", "是", "好"}


class Terminal:
    """See ``backup.recovery.world.People``. With ``yes`` decisions are made already. ``stop`` ends what waits."""

    def __init__(self, context: Context, *, yes: bool) -> None:
        self._context, self._yes = context, yes
        self._stopped, self._lock = Event(), Lock()

    def stop(self) -> None:
        """Let nobody be asked any more."""
        self._stopped.set()

    def decide(self, step: Step, known: Mapping[str, Facts], limit: float) -> str:
        """Return who agreed."""
        if self._yes:
            return f"{getpass.getuser()} (--yes)"
        shown = [f"  {name}: {fact} {value}" for name, facts in known.items() for fact, value in facts.items()]
        title = step.title.of(self._context.language)
        question = self._context.text(f"{title}. Agreed? [y/N]", f"{title}。同意吗？[y/N]")
        words = self._asked(step, [*shown, question], limit)
        if words.lower() not in _YES:
            raise RecoveryError("not agreed", where=step.id, hint="nothing was changed by this step")
        return getpass.getuser()

    def report(self, step: Step, limit: float) -> str:
        """Return what the person says to have done. An empty line is not an answer."""
        instruction = step.instruction or step.title
        lines = [step.title.of(self._context.language), f"  {instruction.of(self._context.language)}"]
        words = self._asked(step, lines, limit)
        if not words:
            raise RecoveryError("no answer was given", where=step.id, hint="netdr dr resume asks again")
        return f"{getpass.getuser()}: {words}"

    def _asked(self, step: Step, lines: list[str], limit: float) -> str:
        if not sys.stdin.isatty():
            raise RecoveryError("nobody can be asked", where=step.id, hint="run netdr dr resume at a terminal")
        with self._lock:
            click.echo("\n".join(lines), err=True)
            end = time.monotonic() + limit
            while time.monotonic() < end and not self._stopped.is_set():
                if select.select([sys.stdin], [], [], _LOOK_S)[0]:
                    return sys.stdin.readline().strip()
        why = "stopped" if self._stopped.is_set() else f"nobody answered within {limit:.0f} s"
        raise RecoveryError("nobody has decided", where=step.id, why=why, hint="netdr dr resume asks again")
