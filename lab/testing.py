"""What tests of a running lab share."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from inventory.network import Network
from lab import control

NETDR = str(Path(sys.executable).with_name("netdr"))


@dataclass(frozen=True)
class RunningLab:
    """A lab that is up: its name, its network, the folders of its district and of its state."""

    name: str
    network: Network
    folder: Path
    state: Path

    def run(self, node: str, *argv: str, limit: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program in a node and return how it ended and what it said."""
        inside = [*control.enter(self.name, node), *argv]
        return subprocess.run(inside, text=True, capture_output=True, timeout=limit, check=False)

    def netdr(self, *arguments: str, limit: float = 120) -> subprocess.CompletedProcess[str]:
        """Run netdr on this machine, as its user would."""
        argv = [NETDR, "--state", str(self.state), "-i", str(self.folder), *arguments]
        return subprocess.run(argv, text=True, capture_output=True, timeout=limit, check=False)
