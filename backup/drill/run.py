"""The drill of several services on the DR host, all at once, in one bubble.

What arrives from home goes on arriving: only copies are read. Everything runs in the bubble, which ends with this
process, and lies in a folder that goes with it, or with the next drill if this one was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from backup import folder, host, throwaway, tree
from backup.bubble import blow
from backup.drill import record, room
from backup.drill.exercise import Exercise
from backup.drill.service import Rehearsed
from backup.duty import Duty
from backup.machine import Machine
from backup.proof import application
from backup.recovery.plan import Phase, Plan, Step
from backup.recovery.run import Action, Done, Facts, Journal, Record, carry_out
from backup.report import JobReport, Progress, Steps
from backup.repository import write_private
from inventory.asset import Files, Postgres, Service
from inventory.entry import Name
from netdr.kernel.errors import BackupError, NetdrError, Problems, StoppedError, UsageError

SCENARIO = "drill"
# Seconds for a service's users to have tried everything.
VERIFY = 300.0


def run(machine: Machine, duties: Sequence[Duty], exercise: Exercise, progress: Progress) -> JobReport:
    """Drill the services among ``duties`` and report: facts ``run``, ``began``, ``steps``, ``services``, ``record``.

    Each service's ledger gets a line of kind ``drill``. Raise UsageError if there is no service whose copy is here,
    BusyError while another drill is at work, MissingError if the host cannot make the room, StoppedError after Ctrl-C,
    when nothing of the drill is left.
    """
    wanted = _wanted(machine, duties, exercise)
    with machine.alone(machine.book.host, SCENARIO), _Stage(machine, exercise, progress).set_for(wanted) as rehearsed:
        begun = time.time()
        run_id = f"{datetime.fromtimestamp(begun, UTC):{SCENARIO}-%Y%m%dT%H%M%SZ}"
        done, problems = _carried_out(rehearsed, run_id, progress)
    return _Outcome(machine, run_id, begun, done, problems).kept([one.asset.id for one in wanted])


def plan(promised: Mapping[str, float]) -> Plan:
    """Return what is done for services, given the RTO promised for each in seconds: none of them waits for another."""
    return Plan.of(SCENARIO, [step for name, rto in promised.items() for step in _steps(name, rto)])


def _steps(name: str, rto: float) -> Iterator[Step]:
    rows: tuple[tuple[str, Phase, str, str, float], ...] = (
        ("restore", "fetch", f"restore {name} from the DR copy", f"从容灾副本恢复 {name}", rto),
        ("start", "start", f"start {name} in isolation", f"在隔离环境中启动 {name}", application.START),
        ("verify", "verify", f"use {name} as units do", f"以各单位身份使用 {name}", VERIFY),
    )
    before: tuple[str, ...] = ()
    for does, phase, en, zh, limit in rows:
        yield Step(f"{does}:{name}", Name(en=en, zh=zh), before, limit, name, phase=phase, does=does)
        before = (f"{does}:{name}",)


def _wanted(machine: Machine, duties: Sequence[Duty], exercise: Exercise) -> tuple[Duty, ...]:
    where = machine.book.host
    wanted = tuple(duty for duty in duties if duty.role == "standby" and isinstance(duty.asset, Service))
    if not wanted:
        hint = "a drill is for services, on the host that holds their copies"
        raise UsageError("nothing to drill on this host", where=where, hint=hint)
    unknown = [duty.asset.id for duty in wanted if duty.asset.id not in exercise.services]
    if unknown:
        hint = "run netdr backup init on a controller: it hands the addresses over"
        raise BackupError(f"no address is known for {', '.join(unknown)}", where=where, hint=hint)
    return wanted


@dataclass(frozen=True)
class _Stage:
    """What all services of a drill share."""

    machine: Machine
    exercise: Exercise
    progress: Progress

    @contextmanager
    def set_for(self, wanted: Sequence[Duty]) -> Iterator[Sequence[Rehearsed]]:
        """Hold the bubble, its database server and its units while the block runs; nothing of them stays."""
        sources = [source for duty in wanted for source in duty.asset.data]
        with folder.lent(self.machine.layout.bubbles, "netdr-drill") as work, ExitStack() as held:
            empty = work / "empty"
            empty.mkdir()
            # Restored files are shown there as soon as they are back.
            places = {Path(one.path): empty for one in sources if isinstance(one, Files)}
            bubble = held.enter_context(blow(f"the drill on {self.machine.book.host}", work, places=places))
            cluster = None
            if any(isinstance(one, Postgres) for one in sources):
                cluster = held.enter_context(throwaway.cluster(bubble, work / "pg"))
            guests = room.furnish(bubble, self.exercise)
            began = self.machine.clock()
            rehearsed: list[Rehearsed] = []
            for duty in wanted:
                if isinstance(duty.asset, Service):
                    own = work / duty.asset.id
                    tree.passable(own)
                    address = self.exercise.services[duty.asset.id]
                    steps = Steps(duty.asset.id, self.progress)
                    rehearsed.append(
                        Rehearsed(self.machine, duty, duty.asset, address, bubble, cluster, guests, own, steps, began)
                    )
            yield rehearsed


def _carried_out(
    rehearsed: Sequence[Rehearsed], run_id: str, progress: Progress
) -> tuple[Sequence[Done], Sequence[NetdrError]]:
    """Carry the plan out; return what was done and what is wrong. Raise StoppedError after Ctrl-C."""
    told: list[Done] = []
    stopped = Event()

    def tell(done: Done) -> None:
        told.append(done)
        how = "failed" if done.failure else f"{done.ended - done.started:.1f} s"
        progress(f"{done.step.title.en} … {how}")

    actions = {
        f"{does}:{one.asset.id}": _unless(stopped, act)
        for one in rehearsed
        for does, act in (("restore", one.restore), ("start", one.start), ("verify", one.verify))
    }
    wanted = plan({one.asset.id: float(one.duty.protection.rto) for one in rehearsed})

    def stop() -> None:
        stopped.set()
        host.stop_all()

    with closing(Journal(rehearsed[0].work.parent / "journal.db")) as journal, suppress(Problems):
        try:
            carry_out(wanted, actions, Record(journal, run_id, tell, stop=stop))
        except KeyboardInterrupt:
            why = "nothing of it is left, and production was not touched"
            raise StoppedError("the drill was stopped", why=why, hint="run it again") from None
    # What was not begun because of them need not be said: each service's result says how far it came.
    return told, [problem for done in told if done.failure for problem in _flat(done.failure)]


def _flat(error: NetdrError) -> Iterator[NetdrError]:
    """Yield every single problem: a step that failed may have found several."""
    if isinstance(error, Problems):
        for one in error.problems:
            yield from _flat(one)
    else:
        yield error


def _unless(stopped: Event, act: Callable[[float], Facts]) -> Action:
    def action(limit: float) -> Facts:
        if stopped.is_set():
            raise StoppedError("the drill was stopped")
        return act(limit)

    return action


@dataclass(frozen=True)
class _Outcome:
    machine: Machine
    run: str
    began: float
    steps: Sequence[Done]
    problems: Sequence[NetdrError]

    def kept(self, services: Sequence[str]) -> JobReport:
        """Write the record and each service's line in its ledger; return the report."""
        found = record.results(services, self.began, self.steps)
        facts: dict[str, object] = {
            "run": self.run,
            "began": self.began,
            "steps": record.dump(self.steps),
            "services": {name: one.as_dict() for name, one in found.items()},
        }
        path = self.machine.layout.state / "drills" / f"{self.run}.json"
        problems = [*self.problems, *self._written(path, facts, found)]
        took = max((done.ended for done in self.steps), default=self.began) - self.began
        seconds = {done.step.id: done.ended - done.started for done in self.steps}
        facts |= {"record": str(path)}
        return JobReport("*", self.machine.book.host, SCENARIO, took, seconds, facts, tuple(problems))

    def _written(
        self, path: Path, facts: Mapping[str, object], found: Mapping[str, record.Result]
    ) -> Iterator[NetdrError]:
        write_private(path, json.dumps(facts, ensure_ascii=False, indent=2, default=str) + "\n")
        for name, one in found.items():
            line = {"run": self.run, "result": record.PASSED if one.passed else record.FAILED}
            line |= {key: f"{value:.3f}" for key, value in (("rto", one.rto), ("rpo", one.rpo)) if value is not None}
            line |= {"why": one.why} if one.why else {}
            try:
                self.machine.ledger(name).add("drill", self.machine.clock(), line)
            except BackupError as error:
                yield error
