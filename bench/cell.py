"""One cell of the matrix: a fault in a stage of a change, what was done about it, and how all devices ended.

The devices are judged at their consoles: what runs there is compared with the two configurations, word by word.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from box import BenchError, Box, State
from change import Change, Order
from watch import Device, Network, Sides, Watch, together

from lab import state as labs
from lab.converge import converge
from lab.faults.clock import ENVIRONMENT, ClockJump, DeviceClockJump
from lab.faults.disk import DiskFull
from lab.faults.fault import Fault
from lab.faults.power import PowerLost, Rebooted
from lab.faults.program import Garbage
from lab.faults.sessions import Hung, SshDropped
from lab.faults.uplinks import UplinksCut
from netdr.kernel.errors import FencedError, UsageError
from nornir_tasks.plan import Timers

NETDR = str(Path(sys.executable).with_name("netdr"))
STAGES = ("lock", "prepare", "arm", "gate", "verify", "confirm", "seal", "abort")
# The stages that do one wave after the other: the fault comes when the first device of its wave is done.
_BY_WAVE = {"arm", "gate"}
Way = Literal["itself", "timers", "resume", "abort"]

# In seconds. The timers are short because the small district is quick.
SHORT = Timers(revert=40, gate=10, settle=15)
ANSWER_S = 12.0
# How long after the devices' timers a change must have ended, how long after them the devices are back, and the most
# that ending it by hand may take.
_END_S, _BACK_S, _VERB_S = 120.0, 15.0, 240.0
_HOUR = 3600
# A change that says one of these has ended by itself.
_ENDED = {"done", "restored", "refused", "nothing"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault as the matrix has it.

    ``lasts`` is in seconds; None: until the change has ended. ``ends_change``: nobody is left to say how it ended.
    ``elsewhere``: it is finished from the district's other controller.
    """

    name: str
    faults: Callable[[Box, str], tuple[Fault, ...]]
    lasts: float | None = 0.0
    ends_change: bool = False
    elsewhere: bool = False
    environment: Mapping[str, str] | None = None


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("controller killed", lambda _box, _victim: (), ends_change=True),
        Kind(
            "controller stopped",
            lambda box, _: (PowerLost(box.name, box.controller),),
            lasts=None,
            ends_change=True,
            elsewhere=True,
        ),
        Kind("device rebooted", lambda box, victim: (Rebooted(box.name, victim),)),
        Kind("device power lost", lambda box, victim: (PowerLost(box.name, victim),), lasts=10.0),
        Kind("uplink cut", lambda box, victim: (UplinksCut(box.name, victim),), lasts=10.0),
        Kind("SSH dropped", lambda box, victim: (SshDropped(box.name, victim),)),
        Kind(
            "device disk full",
            lambda box, victim: (DiskFull(box.name, victim, ("/etc", "/var/lib/netdr")),),
            lasts=None,
        ),
        Kind(
            "controller disk full",
            lambda box, _: (DiskFull(box.name, box.controller, ("/var/lib/netdr",)),),
            lasts=None,
        ),
        Kind("device answers garbage", lambda box, victim: (Garbage(box.name, victim),), lasts=10.0),
        # Longer than a device has for an answer.
        Kind("device hangs", lambda box, victim: (Hung(box.name, victim),), lasts=ANSWER_S + 4),
        Kind(
            "clock jump",
            lambda box, victim: (
                ClockJump(box.name, box.controller, _HOUR),
                DeviceClockJump(box.name, victim, -_HOUR),
            ),
            lasts=None,
            environment=ENVIRONMENT,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A fault in a stage, and what is to finish the change if that does not end by itself.

    The fault is one of a device at the ``ring``-th distance from the controller, farthest first, round and round.
    """

    fault: str
    stage: str
    way: Way
    ring: int = 0

    def __str__(self) -> str:
        """Return it as ``--only`` takes it."""
        return f"{self.fault}:{self.stage}"


@dataclass(frozen=True, slots=True)
class Result:
    """How a cell ended: the network, by what, and how many seconds after the fault it was so."""

    cell: Cell
    end: Network
    way: Way
    seconds: float
    said: str


class Field:
    """A lab whose devices go from one of two configurations to the other, cell by cell."""

    def __init__(self, box: Box, sides: tuple[State, State], timers: Timers = SHORT) -> None:
        self.box, self._sides, self._timers = box, sides, timers
        distances = box.network.distances(box.controller)
        self._rings = [
            [device for device in box.devices if distances[device] == far]
            for far in sorted({distances[device] for device in box.devices}, reverse=True)
        ]
        box.put(sides[0])
        self._now = 0

    def victim(self, cell: Cell) -> str:
        """Return the device that a cell's fault is one of: at its distance the first that users hang on, if any has."""
        ring = self._rings[cell.ring % len(self._rings)]
        return max(ring, key=lambda device: bool(self.box.network.nets_of(device)))

    def run(self, cell: Cell) -> Result:
        """Make the change of a cell and its fault, finish it, and judge; a cell that cannot be judged is unknown."""
        try:
            return self._run(cell)
        except BenchError as error:
            self._mend()
            return Result(cell, "unknown", cell.way, 0.0, str(error))

    def _mend(self) -> None:
        """Leave the field whole after a cell that went astray. Raise BenchError if it cannot be."""
        converge(labs.running(self.box.name).topology, 60)
        for node in self.box.network.hosts("controller"):
            self._verb(node.id, "abort")
        self.box.put(self._sides[self._now])

    def _run(self, cell: Cell) -> Result:
        old, new = self._sides[self._now], self._sides[1 - self._now]
        self._ready(new)
        kind = KINDS[cell.fault]
        faults = kind.faults(self.box, self.victim(cell))
        sides = Sides(self.box.name, old.texts, new.texts)
        with ExitStack() as after, Watch(sides) as watch:
            for fault in faults:
                fault.prepare()
                after.callback(fault.clear)
                after.callback(fault.heal)
            change = Change(self.box, self._order(cell), kind.environment or {})
            after.callback(change.end)
            change.until_struck()
            struck = time.monotonic()
            said = self._strike(kind, faults, change)
            way = self._finish(cell, kind, watch, said)
            for fault in faults:
                fault.heal()
            if kind.elsewhere:
                self._comes_back(cell)
            watch.until_consistent(10)
            seconds = watch.since(struck)
        return self._judged(Result(cell, "unknown", way, round(seconds, 1), said), sides, old, new)

    def _ready(self, new: State) -> None:
        """Let the network be whole before anything goes wrong in it."""
        converge(labs.running(self.box.name).topology, 60)
        self.box.ask_for(new)

    def _order(self, cell: Cell) -> Order:
        wave_of = self.victim(cell) if cell.stage in _BY_WAVE else ""
        checks = ("false",) if cell.stage == "abort" else ()
        return Order(cell.stage, wave_of, self._timers, checks, ANSWER_S)

    def _strike(self, kind: Kind, faults: tuple[Fault, ...], change: Change) -> str:
        """Let it happen, and return how the change says it ended: empty if nobody is left to say so."""
        if kind.ends_change and not faults:
            change.kill()
        for fault in faults:
            fault.strike()
        change.go_on()
        if kind.lasts:
            time.sleep(kind.lasts)
            for fault in faults:
                fault.heal()
        said = change.report(self._timers.revert + _END_S)
        if kind.lasts is None and not kind.ends_change:
            for fault in faults:
                fault.heal()
        return _words(said)

    def _finish(self, cell: Cell, kind: Kind, watch: Watch, said: str) -> Way:
        """Bring what the change has left to an end, and return by what."""
        if said.partition(":")[0] in _ENDED:
            return "itself"
        if cell.way == "timers":
            watch.until_consistent(self._timers.revert + _BACK_S)
        controllers = [node.id for node in self.box.network.hosts("controller")]
        at = controllers[-1] if kind.elsewhere else self.box.controller
        done = self._verb(at, "abort" if cell.way == "timers" else cell.way)
        if done.returncode:
            _say(f"  {cell.way} on {at} ended with {done.returncode}: {done.stderr.strip()[-800:]}\n")
        return cell.way

    def _verb(self, controller: str, verb: str) -> subprocess.CompletedProcess[str]:
        argv = self.box.argv(controller, NETDR, "deploy", f"--{verb}", "--json")
        return subprocess.run(argv, capture_output=True, text=True, timeout=_VERB_S, check=False)

    def _comes_back(self, cell: Cell) -> None:
        """Let a controller that was stopped try to end the change itself, after the other one has: it must not."""
        converge(labs.running(self.box.name).topology, 60)
        done = self._verb(self.box.controller, "resume" if cell.way == "abort" else "abort")
        if done.returncode not in {FencedError.exit_code, UsageError.exit_code}:
            raise BenchError(f"{self.box.controller} came back and was let in: {done.stdout}{done.stderr}")

    def _judged(self, result: Result, sides: Sides, old: State, new: State) -> Result:
        """Ask every device at its console, and leave the field whole for the next cell."""
        converge(labs.running(self.box.name).topology, 60)
        found: dict[str, Device] = {}
        for device, text in self.box.running().items():
            found[device] = "old" if text == old.texts[device] else "new" if text == new.texts[device] else "other"
        # What waits for its confirmation runs, and is not there for good.
        found |= {device: seen for device, seen in sides.look().items() if seen == "armed"}
        end = together(found.values())
        if end == "new":
            self._now = 1 - self._now
        elif end != "old":
            self._mend()
        wrong = " ".join(f"{device}={side}" for device, side in found.items()) if end in {"mixed", "unknown"} else ""
        return replace(result, end=end, said=f"{result.said} {wrong}".strip())


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _words(said: Mapping[str, Any] | None) -> str:
    """Return a report's result, and the first reason for it."""
    if said is None:
        return ""
    if "failed" in said:
        return f"failed: {said['failed']}"
    problems = [f"{one['where']}: {one['what']} ({one['why']})" for one in said["report"]["problems"][:1]]
    return ": ".join([said["report"]["result"], *problems])
