"""Bringing devices back to the configuration they had before a change, whatever became of the change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netdr.kernel.errors import FencedError
from nornir_tasks import actions
from nornir_tasks.clock import Clock, wait_until
from nornir_tasks.each import Each
from nornir_tasks.fleet import Results
from nornir_tasks.report import End
from nornir_tasks.steps import Steps


class Abort:
    """The way back of one change: ``before`` is what each device ran, by device."""

    def __init__(self, steps: Steps, before: Mapping[str, str], clock: Clock) -> None:
        self._steps, self._before, self._clock = steps, before, clock
        self._ends: dict[str, End] = {}
        self._fenced: dict[str, FencedError] = {}
        self._waiting: list[str] = []

    def run(self, waves: Sequence[tuple[str, ...]], silent: Collection[str], deadline: float) -> Mapping[str, End]:
        """Bring back every device of ``waves`` and return how each ended.

        1. Last wave first, all but the devices that are known to be ``silent``.
        2. Whoever is left, again and again: their own timer brings them back when nobody can.
        3. Whether all are back is asked once more at the end. Who is not by ``deadline`` is of unknown state.

        A device that a later change has claimed is left to that one, and of unknown state.
        """
        for wave in reversed(waves):
            self._attempt([device for device in wave if device not in silent])
        self._waiting += [device for wave in waves for device in wave if device in silent]
        touched = [device for wave in waves for device in wave]
        wait_until(self._clock, deadline, lambda: self._all_back(touched), pause=1.0)
        return self._ends

    @property
    def overtaken(self) -> tuple[FencedError, ...]:
        """What the devices said that a later change has claimed."""
        return tuple(self._fenced.values())

    def _attempt(self, devices: Collection[str]) -> None:
        own = {device: (self._before[device],) for device in devices}
        self._note(self._steps.act("abort", devices, Each(actions.restore, own=own)))

    def _note(self, results: Results[str]) -> None:
        for outcome in results.outcomes:
            if outcome.failure:
                self._ends[outcome.device] = End("unknown", str(outcome.failure))
            if isinstance(outcome.failure, FencedError):
                self._fenced[outcome.device] = outcome.failure
            elif outcome.failure:
                self._waiting.append(outcome.device)
            elif self._ends.get(outcome.device, End("unknown")).state == "unknown":
                self._ends[outcome.device] = End("restored", results.values[outcome.device])

    def _all_back(self, touched: Sequence[str]) -> bool:
        waiting, self._waiting = self._waiting, []
        self._attempt(waiting)
        if self._waiting:
            return False
        ours = [device for device in touched if device not in self._fenced]
        seen = self._steps.look("check", ours, Each(actions.runs, own={d: (self._before[d],) for d in ours}))
        self._waiting = [device for device in ours if not seen.values.get(device)]
        for device in self._waiting:
            self._ends[device] = End("unknown", "it is not as it was")
        return not self._waiting
