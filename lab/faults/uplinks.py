"""Cables that lead from a node to the others."""

from __future__ import annotations

from lab import control, state
from lab.faults.fault import Fault


class UplinksCut(Fault):
    """The node runs and nobody can reach it: every cable to another device is cut, those to users stay."""

    def strike(self) -> None:
        """See Fault."""
        for cable in self._cables():
            control.break_(self.lab, cable)

    def heal(self) -> None:
        """Join the cables."""
        for cable in self._cables():
            control.heal(self.lab, cable)

    def _cables(self) -> tuple[str, ...]:
        topology = state.running(self.lab).topology
        links = topology.links_of(self.node)
        return tuple(link.name for link in links if {topology.node(end.node).kind for end in link.ends} == {"device"})
