"""A district, and all its devices in memory with an engine on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from nornir_tasks import testing


@pytest.fixture(scope="session")
def linwu() -> Network:
    return load.network(Path(__file__).parents[1] / "districts/linwu")


@pytest.fixture
def rig(linwu: Network, tmp_path: Path) -> Iterator[testing.Rig]:
    with testing.rig(linwu, tmp_path) as made:
        yield made
