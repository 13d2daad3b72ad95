"""One step on one device, wherever it is done: what goes to the device's worker and what comes back."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from nornir.core.configuration import Config
from nornir.core.inventory import ConnectionOptions, Host
from nornir.core.plugins.connections import ConnectionPluginRegister

from netdr.kernel.errors import NetdrError, UnreachableError
from nornir_tasks import foreign
from nornir_tasks.session import DeviceSession

CONNECTION = "netdr-device-session"
# Open files per connection: its socket, and what a library opens beside it while it connects. And all others.
_FILES_EACH, _FILES_REST = 4, 256

T = TypeVar("T")
Action = Callable[[str, DeviceSession], T]


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how one device is reached."""

    device: str
    platform: str
    address: str
    account: str
    key: Path
    known_hosts: Path


Connector = Callable[[Target], DeviceSession]


@runtime_checkable
class Narrowing(Protocol):
    """An action that leaves behind what only other devices need, before it travels."""

    def narrowed(self, device: str) -> Action[Any]:
        """Return the action for one device."""


@dataclass(frozen=True, slots=True)
class Job:
    """One step on one device. The action may hold configurations, so it is never shown."""

    target: Target
    connect: Connector = field(repr=False)
    action: Action[Any] = field(repr=False)

    @classmethod
    def of(cls, host: Host, action: Action[Any]) -> Job:
        """Return the job of a host of the fleet, with no more of the action than its device needs."""
        options = (host.connection_options[CONNECTION].extras or {}).copy()
        small = action.narrowed(host.name) if isinstance(action, Narrowing) else action
        return cls(options["target"], options["connect"], small)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a job, not redacted: that is done where it is read. ``failure`` is None if it was done."""

    device: str
    value: Any = field(default=None, repr=False)
    failure: NetdrError | None = field(default=None, repr=False)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Order(Generic[T]):
    """A step for some devices, as a runner gets it: ``tell`` is called with each device's reply as it comes."""

    action: Action[T] = field(repr=False)
    tell: Callable[[Reply], None] = field(repr=False)


def host_of(at: Target, connect: Connector) -> Host:
    """Return a device as Nornir's host, its connection options fully resolved.

    Nornir writes inherited options back into what it inherits from.
    """
    ConnectionPluginRegister.register(CONNECTION, _Connection)
    options = ConnectionOptions(
        hostname=at.address,
        port=22,
        username=at.account,
        password="",
        platform=at.platform,
        extras={"connect": connect, "target": at},
    )
    return Host(at.device, at.address, 22, at.account, "", at.platform, connection_options={CONNECTION: options})


def attempt(host: Host, action: Action[Any]) -> Reply:
    """Do an action on a device over its kept connection, opened when it is needed, and return what came of it.

    Whatever is raised becomes the failure; a connection that failed is dropped, so that the next step opens another.
    """
    start = time.monotonic()
    try:
        session: DeviceSession = host.get_connection(CONNECTION, _CONFIG)
        return Reply(host.name, action(host.name, session), seconds=time.monotonic() - start)
    except Exception as error:  # noqa: BLE001 - the one place where a device's exception becomes a value
        failure = foreign.explain(error, host.name, str)
        if isinstance(failure, UnreachableError):
            drop(host)
        return Reply(host.name, failure=failure, seconds=time.monotonic() - start)


def drop(host: Host) -> None:
    """Close a device's connection, if there is one. What is pending on the device stays pending."""
    if CONNECTION in host.connections:
        with suppress(Exception):  # the other end may be gone already, which is what is wanted
            host.close_connection(CONNECTION)


def allow_files(connections: int) -> None:
    """Let this process have so many connections at once, as far as the machine allows: most shells allow 1024 files."""
    wanted = connections * _FILES_EACH + _FILES_REST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Sessions:
    """The connections of one worker, kept between steps. One device does one job at a time."""

    def __init__(self) -> None:
        self._hosts: dict[str, tuple[Host, threading.Lock]] = {}
        self._lock = threading.Lock()

    def do(self, job: Job) -> Reply:
        """Do a job and return what came of it."""
        with self._lock:
            name = job.target.device
            if name not in self._hosts:
                self._hosts[name] = host_of(job.target, job.connect), threading.Lock()
                allow_files(len(self._hosts))
            host, busy = self._hosts[name]
        with busy:
            return attempt(host, job.action)

    def close(self) -> None:
        """Close every connection."""
        for host, _ in self._hosts.values():
            drop(host)


class _Connection:
    """Nornir's connection plugin: opens a session with the fleet's connector."""

    def open(  # noqa: PLR0913, PLR0917 - Nornir's signature
        self,
        hostname: str | None,  # noqa: ARG002
        username: str | None,  # noqa: ARG002
        password: str | None,  # noqa: ARG002
        port: int | None,  # noqa: ARG002
        platform: str | None,  # noqa: ARG002
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,  # noqa: ARG002
    ) -> None:
        """Open the session of the target in ``extras``."""
        options = extras or {}
        self._session: DeviceSession = options["connect"](options["target"])

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    @property
    def connection(self) -> DeviceSession:
        """The session."""
        return self._session


_CONFIG = Config()
