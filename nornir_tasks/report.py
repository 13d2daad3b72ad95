"""How a change ended: for every device, and on the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netdr.kernel.errors import NetdrError

# unchanged: had nothing to do · changed: has the new configuration for good · untouched: the change was given up before
# it · restored: was changed and has its previous configuration again · unknown: nobody can say, it does not answer
State = Literal["unchanged", "changed", "untouched", "restored", "unknown"]
# nothing: all devices were right already · done · refused: given up before the first device changed ·
# restored: given up, every device has its previous configuration · mixed: given up, and some have not ·
# overtaken: another controller has taken the change over, and this one has left it to that
Result = Literal["nothing", "done", "refused", "restored", "mixed", "overtaken"]


@dataclass(frozen=True, slots=True)
class End:
    """How one device ended; ``note`` says how it got there, if it is worth saying."""

    state: State
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How a change ended. ``failures`` are empty unless it was given up; ``stages`` are seconds by stage.

    ``notes`` are what did not stop the change and should be known, such as a controller without a copy of the journal.
    """

    plan: str
    transaction: int
    result: Result
    devices: Mapping[str, End]
    stages: Mapping[str, float]
    failures: tuple[NetdrError, ...] = field(default=())
    notes: tuple[str, ...] = ()

    def of(self, state: State) -> tuple[str, ...]:
        """Return the devices that ended in this state."""
        return tuple(device for device, end in self.devices.items() if end.state == state)

    @property
    def seconds(self) -> float:
        """The time all stages took together."""
        return sum(self.stages.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the ``--json`` form."""
        return {
            "plan": self.plan,
            "transaction": self.transaction,
            "result": self.result,
            "devices": {device: {"state": end.state, "note": end.note} for device, end in self.devices.items()},
            "changed": list(self.of("changed")),
            "rolled_back": list(self.of("restored")),
            "unknown": list(self.of("unknown")),
            "seconds": round(self.seconds, 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in self.stages.items()},
            "problems": [failure.as_dict() for failure in self.failures],
            "notes": list(self.notes),
        }
