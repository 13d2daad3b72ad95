"""A change that runs on a controller of a lab, stopped in one of its stages so that something can go wrong there."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from box import BenchError, Box

from nornir_tasks.plan import Timers

_PROGRAM = Path(__file__).parent / "inside" / "change.py"
# Seconds from its start until it is in the stage: it reads all devices and plans first.
_REACH_S = 120.0


@dataclass(frozen=True)
class Order:
    """What ``inside/change.py`` is told: see there."""

    stage: str
    wave_of: str
    timers: Timers
    checks: Sequence[str]
    answer_s: float


class Change:
    """The process. ``died`` tells that it said nothing at its end."""

    def __init__(self, box: Box, order: Order, environment: Mapping[str, str]) -> None:
        self._box = box
        variables = [f"{name}={value}" for name, value in environment.items()]
        argv = ["env", *variables, sys.executable, str(_PROGRAM), json.dumps(asdict(order))]
        self._process = subprocess.Popen(
            box.argv(box.controller, *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._in, self._out, self._err = (
            cast("IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._pid = 0
        self._unread = b""

    def until_struck(self) -> None:
        """Return when the change stands in its stage. Raise BenchError with its words if it never comes there."""
        said = self._line(time.monotonic() + _REACH_S)
        if said is None or "struck" not in said:
            raise BenchError(f"the change did not come to its stage: {said or self._errors()}")
        self._pid = int(said["struck"])

    def kill(self) -> None:
        """Send the process SIGKILL, on the controller."""
        self._box.shell(self._box.controller, f"kill -{signal.SIGKILL:d} {self._pid}")

    def go_on(self) -> None:
        """Let it go on, if it is still there."""
        try:
            self._in.write(b"\n")
            self._in.flush()
        except BrokenPipeError:
            return

    def report(self, limit_s: float) -> Mapping[str, Any] | None:
        """Return what the change says at its end, None if it died. Raise BenchError if it takes longer than that."""
        return self._line(time.monotonic() + limit_s)

    def end(self) -> None:
        """Kill it if it is still there."""
        self._process.kill()
        self._process.communicate()

    def _line(self, limit: float) -> Mapping[str, Any] | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, limit - time.monotonic())):
                    raise BenchError("the change does not come to an end")
                received = os.read(self._out.fileno(), 1 << 16)
                if not received:
                    return None
                self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def _errors(self) -> str:
        return self._err.read().decode(errors="replace")[-2000:]
