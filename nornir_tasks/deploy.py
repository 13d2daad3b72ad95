"""One change of the whole network: on all devices, or on none.

1. *prepare* all: the device is as the plan saw it, takes the candidate, and its own diff is the planned one. Whatever
   is wrong here, nothing has changed anywhere.
2. *arm*, wave by wave from far to near: commit with the device's own timer; a gate after each wave.
3. *verify* the network as a whole.
4. *confirm*, from near to far, and ask every device once more: what is reported as done was read back.

From the first commit on, any failure, and any wish of the operator to stop, ends in an active abort: every device is
brought back now, in reverse order. The devices' timers are for the case that this hand is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdr.kernel.errors import (
    BusyError,
    DriftError,
    NetdrError,
    Problems,
    RefusedError,
    UnreachableError,
    VerifyError,
)
from netdr.kernel.outcome import Outcome
from nornir_tasks import verify
from nornir_tasks.clock import wait_until
from nornir_tasks.diff import digest, drift, effect, unified
from nornir_tasks.report import End, Report, Result
from nornir_tasks.restore import Abort, runs
from nornir_tasks.session import DeviceSession
from nornir_tasks.steps import Action, Steps, Work, demand

# How long after its timer a device may take to be back, and how long before it the change must be confirmed: seconds.
GRACE = 30
RESERVE = 10
# What may still come right by waiting; everything else is final.
_PASSING = (UnreachableError, VerifyError)


class Transaction:
    """One change while it is made. Made once, run once."""

    def __init__(self, work: Work, number: int) -> None:
        self._work, self._number = work, number
        self._plan, self._clock = work.plan, work.options.clock
        self._steps = Steps(work, number)
        self._before: dict[str, verify.Before] = {}
        self._loaded: set[str] = set()
        self._waves: list[tuple[str, ...]] = []
        self._armed_at = 0.0

    def run(self) -> Report:
        """Carry the plan out and return how it ended; a failure is in the report, with every device's end."""
        try:
            self._prepare()
        except NetdrError as failure:
            self._discard()
            return self._report("refused", {}, failure)
        try:
            self._arm()
            self._verify()
            self._confirm()
        except BaseException as failure:  # also Ctrl-C where nobody set a handler: never leave before all are back
            ends = self._abort(failure)
            if not isinstance(failure, NetdrError):
                raise
            everywhere = all(end.state == "restored" for end in ends.values())
            return self._report("restored" if everywhere else "mixed", ends, failure)
        return self._report("done", {device: End("changed") for device in self._plan.changed})

    # ---- prepare ---------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._steps.stage("prepare", len(self._plan.devices)):
            self._steps.heed()
            results = self._steps.act("prepare", self._plan.devices, self._prepare_one)
            demand(results.outcomes)
        self._before = {device: before for device, before in results.values.items() if before}

    def _prepare_one(self, device: str, session: DeviceSession) -> verify.Before | None:
        """Connect to a device of the plan and, if it is to change, get it ready; return how it is now."""
        change = self._plan.devices[device]
        if not change.changes:
            return None
        if session.pending():
            raise BusyError(
                "an earlier change still waits for its confirmation",
                where=device,
                hint=f"its own timer undoes it within {self._plan.timers.revert} s; then make the plan again",
            )
        running, intended = session.running(), self._work.intended[device]
        if digest(running) != change.running:
            raise self._drifted(device, running)
        self._loaded.add(device)
        own = session.load(intended)
        if not own.strip() or effect(own) != effect(unified(running, intended)):
            why = drift(self._work.redact(own), change.diff) if own.strip() else "it sees no difference"
            raise RefusedError("the device's own diff is not the planned one", where=device, why=why)
        return verify.Before(running, session.neighbours())

    def _drifted(self, device: str, running: str) -> DriftError:
        now = unified(self._work.redact(running), self._work.redact(self._work.intended[device]))
        return DriftError(
            "somebody changed it since the plan was made",
            where=device,
            why="\n" + drift(self._plan.devices[device].diff, now),
            hint="look at the change, then make the plan again",
        )

    def _discard(self) -> None:
        self._steps.must_be_written = False
        self._steps.act("discard", self._loaded, lambda _, session: session.abandon())

    # ---- arm -------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        revert, message = self._plan.timers.revert, f"plan {self._plan.id} {self._work.options.ticket}".rstrip()
        self._armed_at = self._clock.now()
        for wave in self._plan.waves:
            self._steps.heed()
            self._in_time()
            self._waves.append(wave)
            with self._steps.stage("arm", len(wave)):
                demand(self._steps.act("arm", wave, lambda _, session: session.commit(revert, message)).outcomes)
            with self._steps.stage("gate", len(wave)):
                self._settle(wave, self._plan.timers.gate, self._still_armed)

    def _still_armed(self, device: str, session: DeviceSession) -> None:
        """Raise unless a device answers and, if it changed, still waits for its confirmation."""
        pending = session.pending()
        if device in self._before and not pending:
            raise RefusedError("it has undone the change by itself", where=device)

    def _in_time(self) -> None:
        if self._time_left() < 0:
            limit = self._plan.timers.revert
            raise VerifyError("the change takes too long", why=f"the devices' timers end after {limit} s")

    def _time_left(self) -> float:
        return self._armed_at + self._plan.timers.revert - RESERVE - self._clock.now()

    # ---- verify ----------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        with self._steps.stage("verify", len(self._plan.devices)):
            self._settle(tuple(self._plan.devices), self._plan.timers.settle, self._verify_one)
            for line in self._plan.checks:
                self._steps.heed()
                verify.command(line, max(1.0, self._time_left()), self._work.options.stop)

    def _verify_one(self, device: str, session: DeviceSession) -> None:
        """Raise unless a device answers and, if it changed, is armed, as intended, and has all its neighbours."""
        self._still_armed(device, session)
        if device not in self._before:
            return
        running, intended = session.running(), self._work.intended[device]
        if running != intended:
            why = verify.not_as_intended(self._work.redact(running), self._work.redact(intended))
            raise RefusedError("it does not run what was committed", where=device, why="\n" + why)
        expected = verify.required(self._work.network, device, self._before[device], self._plan.devices)
        absent = verify.missing(self._work.network, device, expected, session.neighbours())
        if absent:
            raise VerifyError("; ".join(absent), where=device)

    def _settle(self, devices: tuple[str, ...], limit: float, look: Action[None]) -> None:
        """Look at devices until all are well. Raise Problems at once for what is final, else after ``limit`` s."""
        failed: tuple[Outcome, ...] = ()
        waiting = devices

        def well() -> bool:
            nonlocal failed, waiting
            self._steps.heed()
            outcomes = self._steps.look("verify", waiting, look).outcomes
            failed = tuple(outcome for outcome in outcomes if not outcome.ok)
            waiting = tuple(outcome.device for outcome in failed)
            if any(not isinstance(outcome.failure, _PASSING) for outcome in failed):
                demand(outcomes)
            return not waiting

        deadline = self._clock.now() + min(limit, max(0.0, self._time_left()))
        if not wait_until(self._clock, deadline, well):
            raise Problems(outcome.failure for outcome in failed if outcome.failure)

    # ---- confirm, abort --------------------------------------------------------------------------------------

    def _confirm(self) -> None:
        with self._steps.stage("confirm", len(self._plan.changed)):
            for wave in reversed(self._plan.waves):
                self._steps.heed()
                self._in_time()
                demand(self._steps.act("confirm", wave, lambda _, session: session.confirm()).outcomes)
        with self._steps.stage("seal", len(self._plan.changed)):
            demand(self._steps.look("seal", self._plan.changed, self._seal_one).outcomes)

    def _seal_one(self, device: str, session: DeviceSession) -> None:
        if not runs(session, self._work.intended[device]):
            raise RefusedError("it does not keep what was confirmed", where=device)

    def _abort(self, failure: BaseException) -> Mapping[str, End]:
        self._steps.must_be_written = False
        touched = {device for wave in self._waves for device in wave}
        with self._steps.stage("abort", len(touched)):
            self._loaded -= touched
            before = {device: self._before[device].running for device in touched}
            deadline = max(self._armed_at + self._plan.timers.revert, self._clock.now()) + GRACE
            ends = Abort(self._steps, before, self._clock).run(self._waves, _silent(failure), deadline)
            self._discard()
        return ends

    def _report(self, result: Result, ends: Mapping[str, End], failure: NetdrError | None = None) -> Report:
        planned = self._plan.devices.items()
        rest = {device: End("untouched" if change.changes else "unchanged") for device, change in planned}
        failures = failure.problems if isinstance(failure, Problems) else (failure,) if failure else ()
        return Report(self._plan.id, self._number, result, {**rest, **ends}, self._steps.seconds, failures)


def _silent(failure: BaseException) -> set[str]:
    """Return the devices that a failure says do not answer."""
    problems = failure.problems if isinstance(failure, Problems) else ()
    return {problem.where for problem in problems if isinstance(problem, UnreachableError)}
