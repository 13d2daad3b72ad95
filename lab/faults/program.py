"""The program that answers for a device, and what can stand in its place."""

from __future__ import annotations

from lab.faults.fault import PLACE, Fault
from lab.faults.sessions import drop
from lab.install import PROGRAM

# The device's own program, at a place where the one that stands before it can call it.
KEPT = f"{PLACE}/netdr-device"

_NONSENSE = f"""\
#!/bin/sh
# Only who comes over the network meets it: the device's own timers go on.
[ "$1" = session ] || exec {KEPT} "$@"
while read -r request; do
    printf '%%BAD \\377\\376 <h1>502</h1>\\n'
    read -r request || exit
    printf '[{{"program": null}}]\\n'
done
"""


def put_before(fault: Fault, script: str) -> None:
    """Let a script answer on the node of a fault in place of the device's program, which it finds at ``KEPT``."""
    fault.shell(
        f"mkdir -p {PLACE}; [ -e {KEPT} ] || cp -p {PROGRAM} {KEPT}\n"
        f"cat >{PLACE}/instead; chmod 755 {PLACE}/instead; mount --bind {PLACE}/instead {PROGRAM}",
        text=script,
    )


def put_back(fault: Fault) -> None:
    """Let the device's own program answer again."""
    fault.shell(f"! mountpoint -q {PROGRAM} || umount {PROGRAM}")


class Garbage(Fault):
    """What the device answers is not what was asked: noise, or JSON of another shape."""

    def strike(self) -> None:
        """See Fault. Who is connected has to come again, and meets it."""
        put_before(self, _NONSENSE)
        drop(self.lab, self.node)

    def heal(self) -> None:
        """See Fault."""
        put_back(self)
        drop(self.lab, self.node)
