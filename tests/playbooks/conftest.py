from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
Ansible = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Run one of Ansible's programs on this machine with our configuration and a home of its own."""

    home = tmp_path_factory.mktemp("home")

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        bare = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            env={**bare, "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"), **environment},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
