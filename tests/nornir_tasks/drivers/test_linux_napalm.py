"""NAPALM's own suites, live against a device."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import ClassVar

import pytest
from napalm.base.test import base, getters

from nornir_tasks.drivers.linux import LinuxDriver

pytestmark = pytest.mark.lab


@pytest.fixture(scope="class", autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[None]:
    rig = request.getfixturevalue("rig")
    rig.device("commit", text=rig.text("initial"))
    request.cls.driver = LinuxDriver
    request.cls.device = rig.opened()
    request.cls.vendor = str(rig.texts)
    yield
    request.cls.device.close()
    rig.device("commit", text=rig.text("initial"))


# Live, the suite returns what it got.
@pytest.mark.filterwarnings("ignore::pytest.PytestReturnNotNoneWarning")
class TestGetters(getters.BaseTestGetters):  # type: ignore[misc]  # napalm ships no types
    driver: ClassVar[type[LinuxDriver]]
    device: ClassVar[LinuxDriver]


class TestConfiguration(base.TestConfigNetworkDriver, unittest.TestCase):  # type: ignore[misc]
    device: ClassVar[LinuxDriver]
    vendor: ClassVar[str]

    # The suite's own set-up is for nose; the fixture above does it.
    @classmethod
    def setup_class(cls) -> None: ...

    @classmethod
    def teardown_class(cls) -> None: ...

    @classmethod
    def tearDownClass(cls) -> None: ...
