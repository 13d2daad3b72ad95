"""One change of the whole network: on all devices, or on none.

1. *lock*: the change gets a number higher than any that its devices have seen, and claims them with it: from then on
   whoever has a lower one can do nothing there.
2. *prepare* all: the device is as the plan saw it, takes the candidate, and its own diff is the planned one. Whatever
   is wrong here, nothing has changed anywhere.
3. *arm*, wave by wave from far to near: commit with the device's own timer; a gate after each wave.
4. *verify* the network as a whole.
5. *confirm*, from near to far, and *seal*: ask every device once more; what is reported as done was read back.

From the first commit on, any failure, and any wish of the operator to stop, ends in an active abort: every device is
brought back now, in reverse order. The devices' timers are for the case that this hand is cut off. A change whose
controller died is continued by the same steps: what is armed or done already is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from netdr.kernel.errors import FencedError, NetdrError, Problems, UnreachableError, VerifyError
from nornir_tasks import actions, health, inband, texts, verify
from nornir_tasks.actions import Part, Ready
from nornir_tasks.clock import wait_until
from nornir_tasks.each import Action, Each
from nornir_tasks.plan import RESERVE
from nornir_tasks.report import End, Report, Result
from nornir_tasks.restore import Abort
from nornir_tasks.session import Claim, Health, Neighbours, Question
from nornir_tasks.steps import Steps, T, Work, demand
from nornir_tasks.texts import Texts
from nornir_tasks.verify import Before

# How long after its timer a device may take to be back: seconds.
GRACE = 30
# How long after its connection was lost a device is tried again before anything has changed: seconds.
RETRY = 1.0


@dataclass(frozen=True, slots=True)
class Past:
    """What a change that is continued has done so far: the names its commits have on the devices, and the way back.

    ``take_over``: the devices that may be claimed although a change holds them that never ended; ``lost``: those that
    another change has taken over since, and that are left to it.
    """

    ours: frozenset[str] = frozenset()
    before: Mapping[str, Before] | None = None
    take_over: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()


class Transaction:
    """One change while it is made. Made once, run once."""

    def __init__(self, work: Work, claim: Claim, past: Past | None = None) -> None:
        self._work, self._claim, self._past = work, claim, past or Past()
        self._plan, self._clock = work.plan, work.options.clock
        self._steps = Steps(work, claim)
        self._before: dict[str, Before] = dict(self._past.before or {})
        self._asked: dict[str, Question] = {}
        self._ready: Mapping[str, Ready] = {}
        self._loaded: set[str] = set()
        self._waves: list[tuple[str, ...]] = []
        self._deadline = self._clock.now() + self._plan.timers.revert

    def run(self) -> Report:
        """Carry the plan out and return how it ended; a failure is in the report, with every device's end."""
        try:
            self._lock()
            self._prepare()
        except FencedError as failure:
            self._release()
            return self._overtaken((failure,))
        except NetdrError as failure:
            if self._past.before is not None:
                return self._given_up(failure)
            self._discard()
            return self._report("refused", {}, failure)
        try:
            self._arm()
            self._verify()
            self._confirm()
        except BaseException as failure:  # also Ctrl-C where nobody set a handler: never leave before all are back
            report = self._given_up(failure)
            if not isinstance(failure, NetdrError):
                raise
            return report
        self._release()
        return self._report("done", {device: End("changed") for device in self._plan.changed})

    def take_back(self) -> Report:
        """Bring every device of a change that is continued back to what it ran before, and return how that ended."""
        try:
            self._lock()
        except FencedError as failure:
            return self._overtaken((failure,))
        return self._given_up(None)

    # ---- lock, prepare ---------------------------------------------------------------------------------------------

    def _lock(self) -> None:
        """Claim all devices. Of a change that is continued, one that does not answer is claimed when it does."""
        with self._steps.stage("lock", len(self._plan.devices)):
            self._steps.heed()
            outcomes = self._steps.claim(self._ours(), self._past.take_over).outcomes
            failures = [failure for failure in outcomes.failures if not self._past.ours or not _passing(failure)]
            if failures:
                raise next((failure for failure in failures if isinstance(failure, FencedError)), Problems(failures))

    def _prepare(self) -> None:
        changed = [device for device, change in self._plan.devices.items() if change.changes]
        with self._steps.stage("prepare", len(self._plan.devices)):
            self._steps.heed()
            self._loaded = set(changed)
            least = float(self._plan.timers.settle + RESERVE) if self._past.ours else 0.0
            parts = {device: (self._part(device, least),) for device in changed}
            if not self._past.ours:
                idle = self._plan.devices.keys() - set(changed)
                demand(self._steps.look("prepare", idle, Each(actions.idle)).outcomes)
            self._ready = self._prepared(Each(actions.prepare, (self._work.redact,), parts), changed)
            self._before |= {device: ready.before for device, ready in self._ready.items() if ready.before}
            if not self._past.ours:
                self._keep_in_band()
            # Before the first device changes, the way back is where a crash, or the loss of this site, leaves it.
            self._steps.keep(texts.pack(self._work.state, Texts(self._work.texts.after, self._before)))

    def _keep_in_band(self) -> None:
        """Raise Problems if the change cuts off this controller: the plan was made whole, and perhaps elsewhere."""
        moves = {device: (was.running, self._after(device)) for device, was in self._before.items()}
        inband.demand(self._work.network, self._work.controller, moves, self._plan.waves)

    def _part(self, device: str, least: float) -> Part:
        asked = self._asked[device] = health.question(self._work.network, device, self._services)
        return Part(self._plan.devices[device], self._after(device), asked, self._past.ours, least)

    @property
    def _services(self) -> Mapping[str, str]:
        """Where services are that are to go on answering: a change that moves them asks for none."""
        return self._plan.placement if self._work.options.ask_services else {}

    def _prepared(self, action: Action[Ready], devices: Collection[str]) -> Mapping[str, Ready]:
        """Prepare devices and return how they are; one that does not answer is tried again."""
        results = self._steps.act("prepare", devices, action)
        ready = dict(results.values)

        def complete() -> bool:
            nonlocal results
            away = [outcome.device for outcome in results.outcomes if _passing(outcome.failure)]
            if len(away) < len(results.outcomes.failures) or not away:
                return True
            self._steps.heed()
            results = self._steps.act("prepare", away, action)
            ready.update(results.values)
            return False

        # Nothing has changed yet, so a line that was lost is worth a second try; a change that died, a longer wait.
        patience = GRACE if self._past.ours else RETRY
        wait_until(self._clock, self._clock.now() + patience, complete, pause=RETRY)
        demand(results.outcomes)
        return ready

    def _after(self, device: str) -> str:
        return self._work.texts.after[device]

    def _at(self, *where: str) -> frozenset[str]:
        return frozenset(device for device, ready in self._ready.items() if ready.where in where)

    def _discard(self) -> None:
        self._steps.must_be_written = False
        self._steps.act("discard", self._loaded, Each(actions.discard))
        self._release()

    def _release(self) -> None:
        """End the claims. A device that does not answer keeps one that the next change knows to be over."""
        self._steps.look("release", self._ours(), Each(actions.release, (self._claim.token,)))

    def _ours(self) -> Collection[str]:
        return self._plan.devices.keys() - self._past.lost

    # ---- arm -------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        message = f"plan {self._plan.id} {self._work.options.ticket}".rstrip()
        left = [ready.left for ready in self._ready.values() if ready.left is not None]
        self._deadline = self._clock.now() + min([float(self._plan.timers.revert), *left])
        self._waves = list(self._plan.waves) if self._past.ours else []
        for wave in self._plan.waves:
            wanted = tuple(device for device in wave if device in self._at("old"))
            self._steps.heed()
            self._in_time()
            self._waves += [] if self._past.ours else [wave]
            if wanted:
                with self._steps.stage("arm", len(wanted)):
                    commit = Each(actions.arm, (self._plan.timers.revert, message))
                    demand(self._steps.act("arm", wanted, commit).outcomes)
            with self._steps.stage("gate", len(wave)):
                self._gate(wave)

    def _gate(self, wave: tuple[str, ...]) -> None:
        """Let no change go on that made anything worse for a device of its last wave."""
        own = {d: (replace(q, services=self._answered(d, q)),) for d in wave if (q := self._question(d))}
        later = frozenset(self._plan.changed) - {device for done in self._waves for device in done}

        def judge(device: str, now: Health | None) -> NetdrError | None:
            was = self._before[device].health if device in self._before else None
            lost = health.worse(was, now, self._work.network, device, later) if was and now else ()
            return VerifyError("; ".join(lost), where=device) if lost else None

        self._settle(wave, self._plan.timers.gate, Each(actions.gate, (self._armed,), own), judge)

    def _question(self, device: str) -> Question | None:
        was = self._before.get(device)
        return self._asked[device] if was and was.health else None

    def _answered(self, device: str, question: Question) -> Mapping[str, IPv4Address]:
        """Return the services that answered a device before: only of those is it asked again."""
        was = self._before[device].health
        before = was.services if was and was.services else frozenset()
        return {service: address for service, address in question.services.items() if service in before}

    @property
    def _armed(self) -> frozenset[str]:
        return self._at("old", "armed")

    def _in_time(self) -> None:
        if self._time_left() < 0:
            limit = self._plan.timers.revert
            raise VerifyError("the change takes too long", why=f"the devices' timers end after {limit} s")

    def _time_left(self) -> float:
        return self._deadline - RESERVE - self._clock.now()

    # ---- verify ----------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        with self._steps.stage("verify", len(self._plan.devices)):
            own = {device: (self._after(device),) for device in self._before}
            look = Each(actions.looked_at, (self._armed, self._work.redact), own)
            self._settle(tuple(self._plan.devices), self._plan.timers.settle, look, self._missing)
            for line in self._plan.checks:
                self._steps.heed()
                verify.command(line, max(1.0, self._time_left()), self._work.options.stop)

    def _missing(self, device: str, seen: Neighbours) -> NetdrError | None:
        """Return what a changed device lacks of the neighbours it must have."""
        if device not in self._before:
            return None
        expected = verify.required(self._work.network, device, self._before[device], self._plan.devices)
        absent = verify.missing(self._work.network, device, expected, seen)
        return VerifyError("; ".join(absent), where=device) if absent else None

    def _settle(
        self,
        devices: tuple[str, ...],
        limit: float,
        action: Action[T],
        judge: Callable[[str, T], NetdrError | None] = lambda _, __: None,
    ) -> None:
        """Look at devices until all are well. Raise Problems at once for what is final, else after ``limit`` s."""
        failed: dict[str, NetdrError] = {}
        waiting: Collection[str] = devices

        def well() -> bool:
            nonlocal failed, waiting
            self._steps.heed()
            results = self._steps.look("verify", waiting, action)
            failed = {outcome.device: outcome.failure for outcome in results.outcomes if outcome.failure}
            found = {device: judge(device, value) for device, value in results.values.items()}
            failed |= {device: failure for device, failure in found.items() if failure}
            waiting = tuple(failed)
            if any(not isinstance(failure, (UnreachableError, VerifyError)) for failure in failed.values()):
                raise Problems(failed.values())
            return not waiting

        deadline = self._clock.now() + min(limit, max(0.0, self._time_left()))
        if not wait_until(self._clock, deadline, well):
            raise Problems(failed.values())

    # ---- confirm, abort --------------------------------------------------------------------------------------

    def _confirm(self) -> None:
        with self._steps.stage("confirm", len(self._armed)):
            for wave in reversed(self._plan.waves):
                self._steps.heed()
                self._in_time()
                wanted = tuple(device for device in wave if device in self._armed)
                demand(self._steps.act("confirm", wanted, Each(actions.confirm)).outcomes)
        with self._steps.stage("seal", len(self._plan.changed)):
            own = {device: (self._after(device), self._work.redact) for device in self._plan.changed}
            demand(self._steps.look("seal", self._plan.changed, Each(actions.sealed, own=own)).outcomes)

    def _given_up(self, failure: BaseException | None) -> Report:
        """Bring all devices back that may have changed, and return how each ended."""
        waves = self._left(self._plan.waves if self._past.before is not None else self._waves)
        touched = {device for wave in waves for device in wave}
        self._steps.must_be_written = False
        with self._steps.stage("abort", len(touched)):
            self._loaded -= touched
            before = {device: self._before[device].running for device in touched}
            deadline = max(self._deadline, self._clock.now()) + GRACE
            abort = Abort(self._steps, before, self._clock)
            ends = abort.run(waves, _silent(failure), deadline)
            self._discard()
        if abort.overtaken:
            return self._overtaken(abort.overtaken, ends)
        everywhere = all(end.state == "restored" for end in ends.values())
        known = failure if isinstance(failure, NetdrError) else None
        return self._report("restored" if everywhere else "mixed", ends, known)

    def _left(self, waves: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return the waves without the devices that another change has taken over."""
        return [tuple(device for device in wave if device not in self._past.lost) for wave in waves]

    def _overtaken(self, failures: tuple[FencedError, ...], ends: Mapping[str, End] | None = None) -> Report:
        """Return the report of a change that another controller has taken over, as far as it has."""
        rest = {device: End("unknown", "another change has taken it over") for device in self._plan.changed}
        return self._report("overtaken", {**rest, **(ends or {})}, Problems(failures))

    def _report(self, result: Result, ends: Mapping[str, End], failure: NetdrError | None = None) -> Report:
        planned = self._plan.devices.items()
        rest = {device: End("untouched" if change.changes else "unchanged") for device, change in planned}
        rest |= {device: End("unknown", "another change has taken it over") for device in self._past.lost}
        failures = failure.problems if isinstance(failure, Problems) else (failure,) if failure else ()
        return Report(self._plan.id, self._claim.token, result, {**rest, **ends}, self._steps.seconds, failures)


def _passing(failure: NetdrError | None) -> bool:
    return isinstance(failure, UnreachableError)


def _silent(failure: BaseException | None) -> set[str]:
    """Return the devices that a failure says do not answer."""
    problems = failure.problems if isinstance(failure, Problems) else ()
    return {problem.where for problem in problems if isinstance(problem, UnreachableError)}
