"""Keep a stream in order, as often as you like: slot, receiver, base backups. What was lost is said and made good."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.duty import Duty
from backup.machine import Machine
from backup.postgres import VERSIONS, programs
from backup.rates import rates
from backup.report import Steps
from backup.stream import base, canary, link, receiver, wal, wire
from backup.stream.archive import Archive, Base, Stretch
from backup.stream.wire import State, Wire
from netdr.kernel.errors import BackupError

# The longer ago the last base backup is, the more log a recovery has to replay.
BASE_EVERY = timedelta(days=1)
# Seconds that the receiver gets to catch up before it is said that it does not.
CATCH_UP = 60.0


@dataclass(frozen=True)
class Need:
    """What has to be done about a stream: a pure decision."""

    slot: bool
    stretch: str
    base: str


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Bring the stream of an asset's home site in order, on this host's end of it, and return the facts.

    At home: ``canary`` (the number of its newest row), ``started`` (the canary). At the DR site: ``site``, ``system``,
    ``timeline``, ``received`` (position), ``behind`` (bytes), ``started`` (the receiver), ``stretch``, ``new_stretch``
    (why, empty if none), ``base``, ``base_as_of``, ``new_base`` (why), ``complete_to``: all committed before that
    moment is here. Only ``streamed``, False, for an asset whose protection promises no stream or that has no database.
    Raise UnreachableError if the home site is away (what is here stays), BackupError if it does not let us in, would
    fill its disk, or the receiver does not catch up.
    """
    if not link.streamed(duty):
        return {"streamed": False}
    if duty.role == "home":
        return _at_home(machine, steps)
    found = link.of_duty(machine.layout, duty)
    return _at_standby(machine, duty, steps, Wire(machine.shell, programs(VERSIONS), found))


def _at_standby(machine: Machine, duty: Duty, steps: Steps, asks: Wire) -> Mapping[str, object]:
    archive = Archive(asks.link.top)
    with archive.tending("receiver"):
        connected = _connect(machine, asks, steps)
    stretch = connected.stretch
    # Assets of one site share its stream: whoever comes second finds the base backup that the first has taken.
    with archive.tending("base backup"):
        why = due(stretch.bases(), machine.clock())
        if why:
            with steps.step("base backup"):
                allowed = rates(duty.protection.limits, machine.clock().astimezone().time()).upload
                made = base.take(machine, asks, stretch, steps.progress, allowed)
            machine.ledger(duty.asset.id).add("base", machine.clock(), _written(stretch, made, why))
    newest = stretch.bases()[-1]
    facts = {"streamed": True, "base": newest.id, "base_as_of": newest.ended.isoformat(), "new_base": why}
    return {**connected.facts, **facts}


def _written(stretch: Stretch, made: Base, why: str) -> Mapping[str, str]:
    place = {"stretch": stretch.id, "system": stretch.system, "base": made.id}
    return {**place, "start": wal.written(made.start), "end": wal.written(made.end), "why": why}


def _at_home(machine: Machine, steps: Steps) -> Mapping[str, object]:
    with steps.step("canary"):
        started = canary.ensure(machine)
        newest = canary.newest(machine.cluster())
    return {"streamed": True, "started": started, "canary": newest.seq if newest else None}


def need(state: State, stretch: Stretch | None) -> Need:
    """Return what has to be done, given the source's state and the newest stretch that was received."""
    if stretch is None:
        return Need(not state.slot, "first", "")
    if stretch.system != state.system:
        return Need(not state.slot, f"another cluster: {state.system} instead of {stretch.system}", "")
    if state.lost:
        return Need(True, "the source threw away log that had not been received", "")
    if not state.slot:
        return Need(True, "the slot was gone", "")
    return Need(False, "", "")


def due(bases: tuple[Base, ...], now: datetime) -> str:
    """Return why a base backup is due now, nothing if it is not."""
    if not bases:
        return "there is none"
    age = now - bases[-1].ended
    return f"the newest is {age.total_seconds() / 3600:.0f} h old" if age > BASE_EVERY else ""


@dataclass(frozen=True)
class _Connected:
    stretch: Stretch
    facts: Mapping[str, object]


def _connect(machine: Machine, asks: Wire, steps: Steps) -> _Connected:
    with steps.step("ask the source"):
        asked = machine.clock()
        state = asks.state()
        wire.require_limit(state, asks.link)
    archive = Archive(asks.link.top)
    newest = archive.newest()
    wanted = need(state, newest)
    program = receiver.daemon(machine.shell, asks.link)
    if wanted.stretch or newest is None:
        with steps.step("begin to receive anew"):
            program.stop(machine.shell)
            newest = archive.begin(state.system, asks.link.offer.segment, machine.clock())
            if state.lost:
                asks.drop_slot()
            if wanted.slot:
                asks.make_slot()
    with steps.step("receive"):
        started = program.ensure(machine.shell)
        state = _caught_up(asks, state, program.log)
    newest.reached(asked)
    facts: dict[str, object] = {
        "site": asks.link.site,
        "system": state.system,
        "timeline": state.timeline,
        "received": wal.written(state.received or 0),
        "behind": state.behind,
        "started": started,
        "stretch": newest.id,
        "new_stretch": wanted.stretch,
        "complete_to": asked.isoformat(),
    }
    return _Connected(newest, facts)


def _caught_up(asks: Wire, first: State, log: object) -> State:
    """Return the state as soon as all that was on the source's disk at ``first`` is on ours."""
    end = time.monotonic() + CATCH_UP
    state = asks.state()
    while state.received is None or state.received < first.flushed:
        if time.monotonic() > end:
            why = "nothing arrives" if state.received is None else f"{state.behind} bytes are not here"
            hint = f"see what the receiver says in {log}; it goes on by itself"
            raise BackupError("the stream does not catch up", where=asks.link.label, why=why, hint=hint)
        time.sleep(0.2)
        state = asks.state()
    return state
