"""The form of every fault: made ready while all is well, then it strikes, is healed, and leaves no trace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from lab.commands import run
from lab.control import enter

# Where faults keep what they need inside a node: in memory, gone with the power.
PLACE = "/run/netdr-fault"


@dataclass(frozen=True)
class Fault(ABC):
    """Something that goes wrong with one node of a running lab.

    Call ``prepare``, ``strike``, ``heal`` and ``clear`` in this order. Each raises LabError if it cannot be done.
    """

    lab: str
    node: str

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Put in place what the fault needs, while the node goes on as before."""

    @abstractmethod
    def strike(self) -> None:
        """Let it happen, now."""

    @abstractmethod
    def heal(self) -> None:
        """Undo it. What was not broken is left alone."""

    def clear(self) -> None:  # noqa: B027 - the same
        """Take away what ``prepare`` has put in place."""

    def shell(self, script: str, *arguments: str, text: str = "") -> str:
        """Run a shell script as root in the node, with ``text`` as its input, and return what it prints."""
        argv = [*enter(self.lab, self.node), "sh", "-ec", script, "sh", *arguments]
        return run(argv, text=text).stdout
