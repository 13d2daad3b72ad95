import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory import load
from lab import control
from lab.testing import RunningLab

LINWU = Path(__file__).parents[1] / "districts" / "linwu"


@pytest.fixture(scope="session")
def running_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """The second district with day-0 configurations, under a name of its own; it is taken down at the end."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    found = RunningLab(f"test-{os.getpid()}", load.network(LINWU), LINWU, tmp_path_factory.mktemp("state"))
    done = found.netdr("lab", "up", "--name", found.name)
    try:
        if done.returncode == 13:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        yield found
    finally:
        control.down(found.name)


@pytest.fixture(scope="session")
def deployed_lab(running_lab: RunningLab) -> RunningLab:
    """The same lab with the full configuration on every device."""
    controller = running_lab.network.hosts("controller")[0].id
    done = running_lab.run(controller, "netdr", "deploy", "--yes", limit=300)
    assert done.returncode == 0, done.stderr
    return running_lab
