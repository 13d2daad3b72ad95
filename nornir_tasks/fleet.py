"""The district's devices as a Nornir fleet: one kept connection per device, failures as values.

Built from the Network, without a file of its own. Every host has its connection options fully resolved, because Nornir
writes inherited options back into what it inherits from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import ConnectionOptions, Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from inventory.network import Network, Node
from netdr.kernel.errors import NetdrError, UnreachableError
from netdr.kernel.outcome import Outcome, Outcomes
from nornir_tasks import foreign
from nornir_tasks.session import DeviceSession

_CONNECTION = "netdr-device-session"
# More threads than this gain nothing: each is a Python SSH session under the interpreter's lock.
_WORKERS = 64

T = TypeVar("T")


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
Watcher = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Results(Generic[T]):
    """What one step returned, by device, for the devices where it succeeded; and every device's outcome."""

    values: Mapping[str, T]
    outcomes: Outcomes


def target(network: Network, node: Node, state: Path) -> Target:
    """Return how a device is reached: at its loopback, with the account, key and pinned host keys of netdr."""
    account = network.district.settings.management.account
    ssh = state / "ssh"
    return Target(node.id, node.platform, str(node.loopback), account, ssh / "id_ed25519", ssh / "known_hosts")


class Fleet:
    """All devices of a district. ``run`` does one step on some of them at once; connections stay until ``close``."""

    def __init__(
        self, network: Network, state: Path, connect: Connector, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        self._redact = redact
        hosts = Hosts({node.id: _host(target(network, node, state), connect) for node in network.devices})
        ConnectionPluginRegister.register(_CONNECTION, _Connection)
        self._nornir = Nornir(
            inventory=Inventory(hosts, Groups(), Defaults()),
            config=Config(),
            runner=ThreadedRunner(min(_WORKERS, max(1, len(hosts)))),
        )

    def __enter__(self) -> Self:
        """Return the fleet itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.close()

    def run(
        self,
        devices: Collection[str],
        step: str,
        action: Callable[[str, DeviceSession], T],
        watch: Watcher = lambda _: None,
    ) -> Results[T]:
        """Call ``action(device, session)`` for each device, all at once, and return what came of it.

        Connections are opened when they are needed. A failure is the device's own and stops no other; a device that was
        out of reach is connected to anew in the next step. ``watch`` is called with each outcome as it comes, from the
        threads.
        """
        if not devices:
            return Results({}, Outcomes(()))
        values: dict[str, T] = {}
        outcomes: list[Outcome] = []

        def one(task: Task) -> Result:
            start = time.monotonic()
            failure: NetdrError | None = None
            try:
                session: DeviceSession = task.host.get_connection(_CONNECTION, self._nornir.config)
                values[task.host.name] = action(task.host.name, session)
            except Exception as error:  # noqa: BLE001 - the one place where a device's exception becomes a value
                failure = foreign.explain(error, task.host.name, self._redact)
                if isinstance(failure, UnreachableError):
                    _drop(task.host)
            outcome = Outcome(task.host.name, step, seconds=time.monotonic() - start, failure=failure)
            outcomes.append(outcome)
            watch(outcome)
            return Result(host=task.host)

        self._nornir.filter(filter_func=lambda host: host.name in devices).run(one, name=step)
        return Results(values, Outcomes.of(outcomes))

    def close(self) -> None:
        """Close every connection, all at once: each takes a while. What is pending on a device stays pending."""
        connected = self._nornir.filter(filter_func=lambda host: _CONNECTION in host.connections)
        if connected.inventory.hosts:
            connected.run(lambda task: _drop(task.host), name="close")


def _host(at: Target, connect: Connector) -> Host:
    options = ConnectionOptions(
        hostname=at.address,
        port=22,
        username=at.account,
        password="",
        platform=at.platform,
        extras={"connect": connect, "target": at},
    )
    return Host(at.device, at.address, 22, at.account, "", at.platform, connection_options={_CONNECTION: options})


def _drop(host: Host) -> None:
    if _CONNECTION in host.connections:
        with suppress(Exception):  # the other end may be gone already, which is what is wanted
            host.close_connection(_CONNECTION)


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
