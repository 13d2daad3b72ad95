"""The district's devices as a Nornir fleet: one kept connection per device, failures as values.

Built from the Network, without a file of its own. Where the connections are and what does the steps is the runner's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import Defaults, Groups, Hosts, Inventory
from nornir.core.task import Result, Task

from inventory.network import Network, Node
from netdr.kernel.outcome import Outcome, Outcomes
from nornir_tasks import foreign
from nornir_tasks.runners import Runner
from nornir_tasks.runners.job import CONNECTION, Action, Connector, Order, Reply, Target, attempt, drop, host_of
from nornir_tasks.runners.threads import Threads

__all__ = ["Connector", "Fleet", "Results", "Target", "Watcher", "target"]

T = TypeVar("T")
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
    """All devices of a district. ``run`` does one step on some of them at once; connections stay until ``close``.

    With a runner other than threads, ``connect`` and the actions must be able to travel (``runners.wire``).
    """

    def __init__(
        self,
        network: Network,
        state: Path,
        connect: Connector,
        redact: Callable[[str], str] = str,
        runner: Runner | None = None,
    ) -> None:
        self._redact, self._runner = redact, runner or Threads()
        hosts = Hosts({node.id: host_of(target(network, node, state), connect) for node in network.devices})
        self._nornir = Nornir(inventory=Inventory(hosts, Groups(), Defaults()), config=Config(), runner=self._runner)

    def __enter__(self) -> Self:
        """Return the fleet itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.close()

    def run(
        self, devices: Collection[str], step: str, action: Action[T], watch: Watcher = lambda _: None
    ) -> Results[T]:
        """Call ``action(device, session)`` for each device, all at once, and return what came of it.

        Connections are opened when they are needed. A failure is the device's own and stops no other; a device that was
        out of reach is connected to anew in the next step. ``watch`` is called in this process with each outcome as it
        comes, perhaps from several threads.
        """
        if not devices:
            return Results({}, Outcomes(()))
        heard, wanted = _Heard[T](step, self._redact, watch), frozenset(devices)
        chosen = self._nornir.filter(filter_func=lambda host: host.name in wanted)
        chosen.run(_one, name=step, order=Order(action, heard.take))
        return Results(heard.values, Outcomes.of(heard.outcomes))

    def close(self) -> None:
        """Close every connection, all at once: each takes a while. What is pending on a device stays pending."""
        connected = self._nornir.filter(filter_func=lambda host: CONNECTION in host.connections)
        if connected.inventory.hosts:
            connected.run(lambda task: drop(task.host), name="close")
        self._runner.close()


def _one(task: Task, order: Order[Any]) -> Result:
    """Do an order on a host of this process: what Nornir's own runners call."""
    order.tell(attempt(task.host, order.action))
    return Result(host=task.host)


@dataclass
class _Heard(Generic[T]):
    """What came of a step so far. Replies may come from several threads: each only adds its own device's."""

    step: str
    redact: Callable[[str], str]
    watch: Watcher
    values: dict[str, T] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def take(self, reply: Reply) -> None:
        """Take note of a reply. What it says of secrets is hidden here, in the controller, which knows them."""
        failure = reply.failure and foreign.explain(reply.failure, reply.device, self.redact)
        if failure is None:
            self.values[reply.device] = reply.value
        outcome = Outcome(reply.device, self.step, seconds=reply.seconds, failure=failure)
        self.outcomes.append(outcome)
        self.watch(outcome)
