"""A clock that jumps, for some programs of one node. The machine's clock is never touched.

The time of day cannot be a namespace's own, so it is changed on its way into a program (LD_PRELOAD). Debian's
libfaketime cannot do it: when it leaves the monotonic clock alone, time.sleep fails in Python 3.11 (its issue 426).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.faults import program
from lab.faults.fault import PLACE, Fault

_SOURCE = Path(__file__).with_name("clock.c")
_LIBRARY, _JUMP = f"{PLACE}/clock.so", f"{PLACE}/clock"
# The environment of a program whose time of day jumps.
ENVIRONMENT: Mapping[str, str] = {"LD_PRELOAD": _LIBRARY, "NETDR_LAB_CLOCK": _JUMP}
_BEFORE_PROGRAM = f"""\
#!/bin/sh
export {" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())}
exec {program.KEPT} "$@"
"""


@dataclass(frozen=True)
class ClockJump(Fault):
    """The time of day jumps by so many seconds for the programs of a node that have ``ENVIRONMENT``."""

    seconds: int

    def prepare(self) -> None:
        """See Fault."""
        build = f"mkdir -p {PLACE}; [ -e {_LIBRARY} ] || tcc -shared -nostdlib -o {_LIBRARY} -; echo 0 >{_JUMP}"
        self.shell(build, text=_SOURCE.read_text(encoding="utf-8"))

    def strike(self) -> None:
        """See Fault."""
        self._set(self.seconds)

    def heal(self) -> None:
        """See Fault. It jumps back."""
        self._set(0)

    def _set(self, seconds: int) -> None:
        self.shell(f"echo {seconds} >{_JUMP}.new; mv {_JUMP}.new {_JUMP}")


class DeviceClockJump(ClockJump):
    """The time of day jumps for the program that answers for a device, and for all that it starts."""

    def prepare(self) -> None:
        """See Fault."""
        super().prepare()
        program.put_before(self, _BEFORE_PROGRAM)

    def clear(self) -> None:
        """See Fault."""
        program.put_back(self)
