"""Devices in memory, for tests: a candidate, a commit with a timer, and every way to fail that real ones have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from napalm.base import exceptions as napalm

from inventory import placement
from inventory import secrets as vault
from inventory.network import Network
from netdr.kernel.errors import RefusedError
from nornir_tasks import verify
from nornir_tasks.diff import unified
from nornir_tasks.drivers.linux import FencedException
from nornir_tasks.drivers.linux_verbs import commit_name
from nornir_tasks.engine import Engine
from nornir_tasks.fleet import Fleet, Target
from nornir_tasks.paths import spread
from nornir_tasks.plan import Plan
from nornir_tasks.report import Report
from nornir_tasks.session import Claim, Fence, Health, Neighbours, Pending, Question
from nornir_tasks.steps import Options


class FakeClock:
    """A clock that only moves when somebody waits."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """See Clock."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self._now += seconds


class Fault(Enum):
    """What goes wrong when a device is asked to do something."""

    REFUSE = "it refuses, and does nothing"
    DROP = "the connection is lost before it does it"
    DROP_AFTER = "it does it, and the connection is lost before it can say so"
    POWER_LOSS = "it loses power before it does it, and is back after a while"
    POWER_LOSS_AFTER = "it does it, loses power, and is back after a while"
    REVERT = "it does it, and then undoes what is pending by itself"
    LIE = "it says that it did, and leaves out the last line"
    SLOW = "it takes two minutes"
    DEFECT = "its driver fails in a way nobody expected"


# How long a device without power is away, in seconds.
OUTAGE = 20.0


@dataclass
class FakeDevice:
    """One device. ``faults`` says which fault happens at the next call of a verb; ``asked`` is what was asked of it."""

    clock: FakeClock
    running: str
    faults: dict[str, Fault] = field(default_factory=dict)
    outage: float = OUTAGE
    asked: list[str] = field(default_factory=list)
    candidate: str | None = None
    fence: Fence = field(default_factory=Fence)
    errors: dict[str, int] = field(default_factory=dict)
    _identity: str = ""
    _undone: str = ""
    _previous: str = ""
    _deadline: float | None = None
    _off_until: float = 0.0

    def tick(self) -> None:
        """Let the device's own timer fire if it is due."""
        if self._deadline is not None and self.clock.now() >= self._deadline:
            self.revert("it was not confirmed in time")

    def revert(self, why: str) -> None:
        """Undo a pending commit, as the timer does, and as the device does when it starts with one pending."""
        if self._deadline is not None:
            self.running, self._deadline, self._undone = self._previous, None, why

    @property
    def on(self) -> bool:
        """Whether it has power."""
        return self.clock.now() >= self._off_until

    @property
    def pending(self) -> Pending | None:
        """The commit that awaits its confirmation."""
        self.tick()
        return Pending(self._identity, self._deadline - self.clock.now()) if self._deadline is not None else None

    @property
    def undone(self) -> str:
        """Why the last commit is no more that was undone."""
        return self._undone

    def claim(self, claim: Claim, *, take_over: bool) -> None:
        """Let nobody but one change touch it."""
        wanted = Fence(claim.token, claim.holder, held=True)
        if claim.token < self.fence.token or (claim.token == self.fence.token and self.fence != wanted):
            raise FencedException(f"change {self.fence.token} of {self.fence.holder} has come before this one")
        if self.fence.held and self.fence != wanted and not take_over:
            raise napalm.LockError(f"change {self.fence.token} of {self.fence.holder} holds this device")
        self.fence = wanted

    def release(self, token: int) -> None:
        """End a claim."""
        if self.fence.token == token:
            self.fence = replace(self.fence, held=False)

    def admit(self, token: int) -> None:
        """Refuse who does not hold it."""
        if token != self.fence.token * self.fence.held:
            raise FencedException(f"change {self.fence.token} of {self.fence.holder} has come after this one")

    def cut_power(self) -> None:
        """Take its power away for ``outage`` seconds: what was pending is undone when it starts again."""
        self._off_until = self.clock.now() + self.outage
        self.candidate = None
        self.revert("the device restarted before it was confirmed")

    def commit(self, revert_in: int, identity: str = "") -> None:
        """Apply the candidate."""
        if self.candidate is None:
            raise napalm.CommitError("no candidate")
        if self._deadline is not None:
            raise napalm.CommitError("a commit is pending")
        if revert_in:
            self._previous, self._deadline = self.running, self.clock.now() + revert_in
            self._identity = identity
        self.running, self.candidate = self.candidate, None

    def confirm(self) -> None:
        """Make the commit final."""
        if not self.pending:
            raise RefusedError("no commit is pending any more", why=self._undone)
        self._deadline = None

    @contextmanager
    def doing(self, verb: str) -> Iterator[None]:
        """Do a verb with the fault that is set for it, which then is used up."""
        self.asked.append(verb)
        self.tick()
        fault = self.faults.pop(verb, None) if self.on else None
        if not self.on:
            raise napalm.ConnectTimeoutError("no route to host")
        self._before(fault)
        yield
        self._after(fault)

    def _before(self, fault: Fault | None) -> None:
        if fault is Fault.REFUSE:
            raise napalm.ReplaceConfigException("line 1: syntax error")
        if fault is Fault.DEFECT:
            raise ZeroDivisionError
        if fault is Fault.SLOW:
            self.clock.sleep(120)
            self.tick()
        if fault is Fault.POWER_LOSS:
            self.cut_power()
        if fault in {Fault.DROP, Fault.POWER_LOSS}:
            raise napalm.ConnectionClosedException("connection reset")

    def _after(self, fault: Fault | None) -> None:
        if fault is Fault.REVERT:
            self.revert("its timer fired early")
        if fault is Fault.LIE:
            self.running = self.running[: self.running.rstrip("\n").rfind("\n") + 1]
        if fault is Fault.POWER_LOSS_AFTER:
            self.cut_power()
        if fault in {Fault.DROP_AFTER, Fault.POWER_LOSS_AFTER}:
            raise napalm.ConnectionClosedException("connection reset")


@dataclass
class FakeSession:
    """A DeviceSession to a fake device."""

    name: str
    devices: FakeDevices
    token: int = 0

    @property
    def _device(self) -> FakeDevice:
        return self.devices[self.name]

    def running(self) -> str:
        """See DeviceSession."""
        with self._device.doing("running"):
            return self._device.running

    def load(self, text: str) -> str:
        """See DeviceSession."""
        with self._device.doing("load"):
            self._device.candidate = text
        return unified(self._device.running, text)

    def commit(self, revert_in: int, message: str) -> None:  # noqa: ARG002 - nobody reads it
        """See DeviceSession."""
        with self._device.doing("commit"):
            self._device.admit(self.token)
            self._device.commit(revert_in, commit_name(self.token))

    def fence(self) -> Fence:
        """See DeviceSession."""
        with self._device.doing("fence"):
            return self._device.fence

    def claim(self, claim: Claim, *, take_over: bool) -> None:
        """See DeviceSession."""
        if self.token != claim.token:
            with self._device.doing("claim"):
                self._device.claim(claim, take_over=take_over)
        self.token = claim.token

    def release(self, token: int) -> None:
        """See DeviceSession."""
        with self._device.doing("release"):
            self._device.release(token)
        self.token = 0

    def pending(self) -> Pending | None:
        """See DeviceSession."""
        with self._device.doing("pending"):
            pass
        return self._device.pending

    def fate(self) -> str:
        """See DeviceSession."""
        with self._device.doing("fate"):
            return self._device.undone

    def confirm(self) -> None:
        """See DeviceSession."""
        with self._device.doing("confirm"):
            self._device.admit(self.token)
            self._device.confirm()

    def abandon(self) -> None:
        """See DeviceSession."""
        with self._device.doing("abandon"):
            self._device.candidate = None
            if self._device.pending:
                self._device.admit(self.token)
                self._device.revert("it was rolled back")

    def discard(self) -> None:
        """See DeviceSession."""
        with self._device.doing("discard"):
            self._device.candidate = None

    def neighbours(self) -> Neighbours:
        """See DeviceSession."""
        with self._device.doing("neighbours"):
            return self.devices.neighbours(self.name)

    def health(self, question: Question) -> Health:
        """See DeviceSession."""
        with self._device.doing("health"):
            return self.devices.health(self.name, question)

    def close(self) -> None:
        """See DeviceSession."""
        self._device.asked.append("close")


class FakeDevices:
    """All devices of a network in memory; ``connect`` is the connector for a Fleet.

    A link is up while both its ends have power and neither runs a line ``shutdown PORT``. A BGP session is up while a
    device runs a line ``neighbor ADDRESS`` and the other end, if it is ours, does so too.
    """

    def __init__(self, network: Network, running: Mapping[str, str]) -> None:
        self.network, self.clock = network, FakeClock()
        # Tests that want to see a verb being done set a subclass.
        self.session: type[FakeSession] = FakeSession
        self._devices = {device: FakeDevice(self.clock, text) for device, text in running.items()}

    def __getitem__(self, device: str) -> FakeDevice:
        """Return a device."""
        return self._devices[device]

    def connect(self, target: Target) -> FakeSession:
        """Open a session."""
        with self._devices[target.device].doing("open"):
            return self.session(target.device, self)

    def running(self) -> Mapping[str, str]:
        """Return what every device runs now."""
        for device in self._devices.values():
            device.tick()
        return {name: device.running for name, device in self._devices.items()}

    def pending(self) -> tuple[str, ...]:
        """Return the devices with a commit that awaits its confirmation."""
        return tuple(name for name, device in self._devices.items() if device.pending)

    def neighbours(self, device: str) -> Neighbours:
        """Return who a device sees."""
        wires = [(wire.end(device), wire.far(device)) for wire in self.network.wires_of(device)]
        up = [far for near, far in wires if all(self._up(end.node, end.port) for end in (near, far))]
        ospf = {self.network.node(far.node).loopback for far in up if far.node in self._devices}
        bgp = {far.address.ip for far in up if self.network.node(far.node).kind == "external"}
        loopback = self.network.node(device).loopback
        bgp |= {self.network.node(name).loopback for name in self._devices if self._speaks(name, loopback)}
        return Neighbours(frozenset(ospf), frozenset(address for address in bgp if self._speaks(device, address)))

    def health(self, device: str, question: Question) -> Health:
        """Return how a device is: it has a route to every node that lines which are up lead to."""
        nodes = self.network.nodes

        def steps(here: str) -> Iterator[str]:
            for wire in self.network.wires_of(here) if here == device or nodes[here].kind == "device" else ():
                if all(self._up(end.node, end.port) for end in wire.ends):
                    yield wire.far(here).node

        reached = spread(device, steps)
        routes = frozenset(IPv4Network(nodes[name].loopback) for name in reached)
        serving = any(nodes[name].role == "services" for name in reached)
        answering = frozenset(question.services) if serving else frozenset()
        return Health(self.neighbours(device), routes, answering, dict(self[device].errors))

    def _speaks(self, device: str, peer: IPv4Address) -> bool:
        return self._devices[device].on and f"neighbor {peer}\n" in self._devices[device].running

    def _up(self, device: str, port: str) -> bool:
        found = self._devices.get(device)
        return not found or (found.on and f"shutdown {port}\n" not in found.running)


# Stands in every configuration of a rig; no output may show it.
CANARY = "hunter2"


@dataclass
class Rig:
    """Devices in memory that run ``old`` and should run ``new``, and an engine on them."""

    devices: FakeDevices
    engine: Engine
    old: dict[str, str]
    new: dict[str, str]

    @property
    def network(self) -> Network:
        """The network the devices are of."""
        return self.engine.network

    def deploy(self, plan: Plan | None = None, stop: Callable[[], bool] = lambda: False) -> Report:
        """Carry out a plan, or a new one for all devices, by the devices' clock."""
        plan = plan or self.engine.plan_change()
        return self.engine.deploy(plan, Options(stop=stop, clock=self.devices.clock))

    def set(self, device: str, lines: str) -> None:
        """Let a device run these lines too, before and after."""
        self.devices[device].running += lines
        self.old[device] += lines
        self.new[device] += lines


@contextmanager
def rig(network: Network, state: Path) -> Iterator[Rig]:
    """Yield a rig of all devices of a network: the change adds a banner and the BGP sessions."""
    (state / vault.PASSWORD).write_text("for tests\n")
    (state / vault.PASSWORD).chmod(0o600)
    old = {node.id: f"hostname {node.id}\nkey {CANARY}\n" for node in network.devices}
    new = {device: f"{text}{_peers(network, device)}banner welcome\n" for device, text in old.items()}
    devices = FakeDevices(network, old)
    with Fleet(network, state, devices.connect, _redact) as fleet:
        engine = Engine(network, placement.home(network.district), new, fleet, state, _redact)
        yield Rig(devices, engine, dict(old), new)


def _peers(network: Network, device: str) -> str:
    return "".join(f"neighbor {link.known_by}\n" for link in verify.bgp_links(network, device))


def _redact(text: str) -> str:
    return text.replace(CANARY, "<hidden>")
