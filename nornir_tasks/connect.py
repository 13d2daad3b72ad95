"""Opening a real device: the driver its platform names, over one SSH connection with a pinned host key."""

from __future__ import annotations

import importlib

from napalm.base.base import NetworkDriver

from inventory import platforms
from nornir_tasks.fleet import Target
from nornir_tasks.session import NapalmSession

# Seconds a device has for one answer. A commit of many devices at once on a busy machine stays well below.
TIMEOUT = 60


def open_device(target: Target, timeout: float = TIMEOUT) -> NapalmSession:
    """Return a session with a device that has ``timeout`` seconds for the connection and for each answer.

    Raise whatever its driver raises if it cannot be reached or trusted.
    """
    module, _, name = platforms.platform(target.platform).driver.partition(":")
    driver_class: type[NetworkDriver] = getattr(importlib.import_module(module), name)
    options = {"key_file": str(target.key), "known_hosts": str(target.known_hosts)}
    driver = driver_class(target.address, target.account, "", timeout=timeout, optional_args=options)
    driver.open()
    return NapalmSession(driver)
