"""Bringing devices back to the configuration they had before a change, whatever became of the change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netdr.kernel.errors import RefusedError
from nornir_tasks.clock import Clock, wait_until
from nornir_tasks.fleet import Results
from nornir_tasks.report import End
from nornir_tasks.session import DeviceSession
from nornir_tasks.steps import Steps


def restore(session: DeviceSession, before: str) -> str:
    """Given the configuration a device had, make it run that again, for good, and return how it got there.

    A commit that awaits its confirmation is undone; one that is final is replaced by ``before``; a device that never
    changed or that reverted by itself is left alone. Safe to repeat. Raise RefusedError if the device then runs
    something else.
    """
    how = "it had its previous configuration"
    if session.pending():
        session.abandon()
        how = "rolled back"
    if session.running() != before:
        session.load(before)
        session.commit(0, "netdr puts the previous configuration back")
        how = "its previous configuration was put back"
        if session.running() != before:
            raise RefusedError(
                "it does not run what was put back", hint="compare with `netdr diff` before anything else"
            )
    return how


def runs(session: DeviceSession, text: str) -> bool:
    """Return whether a device runs this configuration, with nothing pending that could still change it."""
    return not session.pending() and session.running() == text


class Abort:
    """The way back of one change: ``before`` is what each device ran, by device."""

    def __init__(self, steps: Steps, before: Mapping[str, str], clock: Clock) -> None:
        self._steps, self._before, self._clock = steps, before, clock
        self._ends: dict[str, End] = {}
        self._waiting: list[str] = []

    def run(self, waves: Sequence[tuple[str, ...]], silent: Collection[str], deadline: float) -> Mapping[str, End]:
        """Bring back every device of ``waves`` and return how each ended.

        1. Last wave first, all but the devices that are known to be ``silent``.
        2. Whoever is left, again and again: their own timer brings them back when nobody can.
        3. Whether all are back is asked once more at the end. Who is not by ``deadline`` is of unknown state.
        """
        for wave in reversed(waves):
            self._attempt([device for device in wave if device not in silent])
        self._waiting += [device for wave in waves for device in wave if device in silent]
        touched = [device for wave in waves for device in wave]
        wait_until(self._clock, deadline, lambda: self._all_back(touched), pause=1.0)
        return self._ends

    def _attempt(self, devices: Collection[str]) -> None:
        results = self._steps.act("abort", devices, lambda device, session: restore(session, self._before[device]))
        self._note(results)

    def _note(self, results: Results[str]) -> None:
        for outcome in results.outcomes:
            if outcome.failure:
                self._ends[outcome.device] = End("unknown", str(outcome.failure))
                self._waiting.append(outcome.device)
            elif self._ends.get(outcome.device, End("unknown")).state == "unknown":
                self._ends[outcome.device] = End("restored", results.values[outcome.device])

    def _all_back(self, touched: Sequence[str]) -> bool:
        waiting, self._waiting = self._waiting, []
        self._attempt(waiting)
        if self._waiting:
            return False
        seen = self._steps.look("check", touched, lambda device, session: runs(session, self._before[device]))
        self._waiting = [device for device in touched if not seen.values.get(device)]
        for device in self._waiting:
            self._ends[device] = End("unknown", "it is not as it was")
        return not self._waiting
