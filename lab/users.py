"""The units' users of a running lab: who reaches a service, users at work in the background, what they had written."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Self, TypeVar, cast

from inventory.network import Network, user_host
from inventory.policy import Target, permits
from lab import netns, services
from lab.visitor import Errand, get
from netdr.kernel.errors import LabError, UsageError, unknown

_T = TypeVar("_T")
# A process that has been told to end ends at once, or something is wrong with it.
SECONDS = 3.0
# A long list asked for by all units at once takes longer than a page.
LIST_SECONDS = 10.0


def namespace(lab: str, unit: str) -> str:
    """Return the network namespace of a unit's user host."""
    return f"{lab}.host-{unit}"


def allowed(network: Network, service: str) -> tuple[str, ...]:
    """Return the units that the policy lets use a service from the network of their user host."""
    address, port = endpoint(network, service)
    target = Target("service", service, IPv4Address(address))
    nets = {user_host(network, net): net for net in network.nets}
    return tuple(unit for unit in network.units if permits(network, nets[f"host-{unit}"], target, f"tcp/{port}"))


def reached(lab: str, network: Network, service: str, units: Iterable[str] | None = None) -> Mapping[str, float | None]:
    """Ask the service for its health from each unit's user host (default: those allowed to), all at once.

    Return the seconds until the answer was there, None for a unit that got none. Raise LabError if the lab is not up.
    """
    address, port = endpoint(network, service)

    def ask(_unit: str) -> float | None:
        began = time.monotonic()
        try:
            get(address, port, "/health")
        except (OSError, http.client.HTTPException):
            return None
        return time.monotonic() - began

    return _everywhere(lab, allowed(network, service) if units is None else units, ask)


def survivors(lab: str, network: Network, service: str, units: Iterable[str] | None = None) -> frozenset[str]:
    """Return the ids of all cases the service's database holds of the units (default: those allowed to use it).

    Each unit asks for its own. Raise LabError, naming the unit, if one gets no answer: then nothing is known.
    """
    address, port = endpoint(network, service)

    def ask(unit: str) -> list[str]:
        try:
            found: list[str] = json.loads(get(address, port, f"/cases?unit={unit}", LIST_SECONDS))["ids"]
        except (OSError, http.client.HTTPException) as error:
            raise LabError("cannot ask for its cases", where=f"unit {unit}", why=f"{service}: {error}") from None
        return found

    answers = _everywhere(lab, allowed(network, service) if units is None else units, ask)
    return frozenset(case for cases in answers.values() for case in cases)


def endpoint(network: Network, service: str) -> tuple[str, int]:
    """Return a service's address and the port it is asked at. Raise UsageError, listing all, if there is none such."""
    found = {each.id: each for each in network.district.services}
    if service not in found:
        raise UsageError(unknown("service", service, found))
    return str(network.services[service]), services.web_port(found[service])


def _everywhere(lab: str, units: Iterable[str], ask: Callable[[str], _T]) -> Mapping[str, _T]:
    """Call ``ask`` in each unit's namespace, all at the same time, in threads that end with the call."""

    def inside(unit: str) -> _T:
        netns.enter(namespace(lab, unit))
        return ask(unit)

    names = tuple(units)
    # Each call enters its namespace before anything else, so it does not matter where the thread was before.
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return dict(zip(names, pool.map(inside, names), strict=True))


class Users:
    """Users at work: from each unit's user host they visit services once per interval, from ``start`` to ``stop``.

    They file cases with a service whose app is ``casework`` and read the health page of any other. What they met is in
    ``log`` (see ``visits``), which is appended to. They are a process of their own, which ends with this one.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Send them to work. Raise LabError if they are at work already or cannot start."""
        if self._process is not None:
            raise LabError("the users are at work already", where=self._errand.log)
        argv = (sys.executable, "-m", "lab.visitor")
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, start_new_session=True)
        pipe = cast("IO[str]", self._process.stdin)
        try:
            pipe.write(json.dumps(asdict(self._errand)) + "\n")
            pipe.flush()
        except BrokenPipeError:
            self.stop()
        return self

    def stop(self) -> None:
        """Send them home; what they were in the middle of is not acknowledged. Nothing if they are not at work.

        Raise LabError if they had stopped by themselves: their log is not whole.
        """
        if self._process is None:
            return
        process, self._process = self._process, None
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if process.returncode != 0:
            raise LabError("the users stopped by themselves", where=self._errand.log, why=f"exit {process.returncode}")

    def __enter__(self) -> Self:
        """Send them to work."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Send them home, whatever happened."""
        self.stop()


def errand(lab: str, network: Network, visited: Iterable[str], log: Path, interval: float = 0.5) -> Errand:
    """Return the errand of all users whom the policy lets visit the services ``visited``, once per ``interval`` s."""
    names = tuple(visited)
    apps = {service.id: service.app for service in network.district.services}
    return Errand(
        units={unit: namespace(lab, unit) for unit in network.units},
        services={name: (*endpoint(network, name), apps[name] == "casework") for name in names},
        visits=[(unit, name) for name in names for unit in allowed(network, name)],
        interval=interval,
        log=str(log),
    )
