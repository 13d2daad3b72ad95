"""The network engine as its doors use it: what is different, what to do about it, doing it.

    with engine.opened(network, placement, secrets, state) as devices:
        report = devices.deploy(devices.plan_change(["dr-1"]))

One ``Engine`` keeps its connections, so that a plan and its deploy open each device once.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from inventory.network import Network
from inventory.placement import Placement
from inventory.secrets import fingerprint_key
from netdr.kernel.errors import NetdrError, Problems, UnreachableError, UsageError
from netdr.kernel.secret import Secret
from nornir_tasks import lock, plan, render
from nornir_tasks.connect import open_device
from nornir_tasks.deploy import Transaction
from nornir_tasks.diff import unified
from nornir_tasks.fleet import Fleet
from nornir_tasks.journal import Journal
from nornir_tasks.plan import Observed, Plan, Setting
from nornir_tasks.redact import redact
from nornir_tasks.report import End, Report
from nornir_tasks.session import DeviceSession
from nornir_tasks.steps import Options, Progress, Silent, Work

_LOG = logging.getLogger(__name__)

# How every device undoes a commit that is not confirmed. Platforms that cannot will need other ways, by capability.
MECHANISM = "commit-confirm"


@dataclass(frozen=True)
class Engine:
    """A district's devices, what they should say, and where netdr keeps its state. ``intended`` holds secrets."""

    network: Network
    placement: Placement
    intended: Mapping[str, str] = field(repr=False)
    fleet: Fleet
    state: Path
    redact: Callable[[str], str]

    def observe(self, devices: Collection[str] = (), progress: Progress | None = None) -> Mapping[str, Observed]:
        """Return devices, or all, as they are and as they should be. Raise Problems if one of them cannot be asked."""
        wanted = tuple(devices) or tuple(node.id for node in self.network.devices)
        progress = progress or Silent()
        progress.stage("read", len(wanted))
        results = self.fleet.run(wanted, "read", _running, progress.device)
        if not results.outcomes.ok:
            raise Problems(_leave_out(failure) for failure in results.outcomes.failures)
        return {device: self._observed(device, results.values[device]) for device in wanted}

    def _observed(self, device: str, running: str) -> Observed:
        intended = self.intended[device]
        diff = "" if running == intended else unified(self.redact(running), self.redact(intended))
        return Observed(running, intended, diff, MECHANISM)

    def plan_change(
        self, devices: Collection[str] = (), checks: tuple[str, ...] = (), progress: Progress | None = None
    ) -> Plan:
        """Return the plan that makes devices, or all, say what they should.

        ``checks`` are commands that must exit with 0 after the change. Raise Problems if a device cannot be asked.
        """
        setting = Setting(controller(self.network), self.placement.active, checks)
        return plan.make(self.network, setting, self.observe(devices, progress), datetime.now(UTC))

    def deploy(self, change: Plan, options: Options | None = None) -> Report:
        """Carry a plan out on all its devices or on none, and return how it ended.

        Raise Problems if the plan is not for what the devices should say today, BusyError if another change is under
        way. Any other failure is in the report, with the state every device was left in.
        """
        options = options or Options()
        if change.district != (here := self.network.district.settings.id):
            raise UsageError(f"the plan {change.id} is for {change.district}, not for {here}")
        plan.pinned(change, self.intended)
        if not change.changed:
            return Report(change.id, 0, "nothing", dict.fromkeys(change.devices, End("unchanged")), {})
        with lock.held(self.state, f"plan {change.id}") as dead, closing(Journal(self.state / "journal")) as journal:
            if dead:
                _LOG.warning("an earlier change was never ended: its controller died (%s)", dead)
            journal.bury()
            number = journal.open(change, lock.owner(), options.ticket)
            work = Work(change, self.network, self.fleet, self.intended, self.redact, journal, options)
            report = Transaction(work, number).run()
            with suppress(NetdrError):  # the devices are what they are: a full disk must not hide how it ended
                journal.close_transaction(number, report.result)
            return report


@contextmanager
def opened(network: Network, placement: Placement, secrets: Mapping[str, Secret], state: Path) -> Iterator[Engine]:
    """Render what every device should say and yield an Engine on the real devices; close its connections afterwards.

    Raise Problems with every line that cannot be rendered.
    """
    intended = render.render_all(network, placement.active, secrets)
    hide = partial(redact, secrets=secrets, key=fingerprint_key(state))
    with Fleet(network, state, open_device, hide) as fleet:
        yield Engine(network, placement, intended, fleet, state, hide)


def controller(network: Network) -> str:
    """Return the controller this runs on, known by its loopback; elsewhere the district's first controller."""
    controllers = network.hosts("controller")
    here = [node.id for node in controllers if _is_own(node.loopback)]
    return (here or [node.id for node in controllers])[0]


def _is_own(address: IPv4Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
        return True


def _running(_: str, session: DeviceSession) -> str:
    return session.running()


def _leave_out(failure: NetdrError) -> NetdrError:
    if not isinstance(failure, UnreachableError):
        return failure
    hint = f"{failure.hint}\n  to change the others without it: -l '!{failure.where}'"
    return UnreachableError(failure.what, where=failure.where, why=failure.why, hint=hint)
