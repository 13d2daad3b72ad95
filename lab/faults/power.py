"""Power that is lost, and comes back."""

from __future__ import annotations

from lab import control
from lab.faults.fault import Fault


class PowerLost(Fault):
    """The node is without power until it is healed: all that ran is gone at once, the disk stays."""

    def strike(self) -> None:
        """See Fault."""
        control.break_(self.lab, self.node)

    def heal(self) -> None:
        """Boot it from its disk."""
        control.heal(self.lab, self.node)


class Rebooted(PowerLost):
    """The node restarts without having been asked."""

    def strike(self) -> None:
        """See Fault."""
        super().strike()
        self.heal()
