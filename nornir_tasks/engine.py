"""The network engine as its doors use it: what is different, what to do about it, doing it, ending what was begun.

    with engine.opened(network, placement, secrets, state) as devices:
        report = devices.deploy(devices.plan_change(["dr-1"]))

One ``Engine`` keeps its connections, so that a plan and its deploy open each device once.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from inventory.network import Network
from inventory.placement import Placement
from inventory.secrets import fingerprint_key
from netdr.kernel.errors import BusyError, NetdrError, Problems, UnreachableError, UsageError
from netdr.kernel.secret import Secret
from nornir_tasks import actions, approval, lock, plan, render, replica, runners, texts, unfinished
from nornir_tasks.connect import open_device
from nornir_tasks.deploy import Past, Transaction
from nornir_tasks.diff import unified
from nornir_tasks.each import Each
from nornir_tasks.fleet import Fleet, Results
from nornir_tasks.journal import Journal, Opening
from nornir_tasks.plan import Observed, Plan, Setting
from nornir_tasks.redact import redact
from nornir_tasks.replica import Peer, Replicas
from nornir_tasks.report import End, Report
from nornir_tasks.session import Claim, Fence
from nornir_tasks.standing import Standing, stand
from nornir_tasks.steps import Options, Progress, Silent, Work
from nornir_tasks.texts import Texts
from nornir_tasks.unfinished import Open, Records

_LOG = logging.getLogger(__name__)

# How every device undoes a commit that is not confirmed. Platforms that cannot will need other ways, by capability.
MECHANISM = "commit-confirm"

Way = Literal["resume", "abort"]


@dataclass(frozen=True, slots=True)
class Status:
    """A change that never ended, and where each of its devices stands now."""

    open: Open
    plan: Plan
    devices: Mapping[str, Standing]

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        first = self.open.first
        told = {"owner": first.owner, "opened": first.opened, "ticket": first.ticket, "step": self.open.step}
        stands = {device: {"where": s.where, "left_s": s.left, "note": s.note} for device, s in self.devices.items()}
        return {"open": True, "transaction": self.open.newest, "plan": self.plan.id, **told, "devices": stands}


@dataclass(frozen=True)
class Engine:
    """A district's devices, what they should say, and where netdr keeps its state. ``intended`` holds secrets.

    ``peers`` are the other controllers, to which the journal goes as it is written; ``revision`` names the state of the
    inventory's files.
    """

    network: Network
    placement: Placement
    intended: Mapping[str, str] = field(repr=False)
    fleet: Fleet
    state: Path
    redact: Callable[[str], str]
    peers: Sequence[Peer] = ()
    revision: str = ""

    def observe(self, devices: Collection[str] = (), progress: Progress | None = None) -> Mapping[str, Observed]:
        """Return devices, or all, as they are and as they should be. Raise Problems if one of them cannot be asked."""
        wanted = tuple(devices) or tuple(node.id for node in self.network.devices)
        found, failures = self.fetch(wanted, progress)
        if failures:
            raise Problems(_leave_out(failure) for failure in failures)
        return {device: self._observed(device, found[device]) for device in wanted}

    def fetch(
        self, devices: Collection[str] = (), progress: Progress | None = None
    ) -> tuple[Mapping[str, str], Sequence[NetdrError]]:
        """Return the running configurations of devices, or all, as far as they answer, and why others do not.

        The texts hold secrets.
        """
        wanted = tuple(devices) or tuple(node.id for node in self.network.devices)
        progress = progress or Silent()
        progress.stage("read", len(wanted))
        results = self.fleet.run(wanted, "read", Each(actions.running), progress.device)
        return results.values, results.outcomes.failures

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
        with closing(Journal(replica.own(self.state))) as journal:
            seconds = journal.seconds("arm")
        here, who = controller(self.network), approval.author()
        setting = Setting(here, self.placement.active, checks, seconds, self.revision, who)
        return plan.make(self.network, setting, self.observe(devices, progress), datetime.now(UTC))

    def deployed(self) -> str:
        """Return the revision of the inventory that the last plan carried out was made from, empty if none is known."""
        with closing(Journal(replica.own(self.state))) as journal:
            done = [one.plan for one in journal.latest(50) if (one.verb, one.outcome) == ("deploy", "done")]
        # Not parsed as a plan: one of an earlier netdr's form has a revision, too.
        found = (str(json.loads(text).get("inventory", "")) for text in done)
        return next(filter(None, found), "")

    # ---- a change --------------------------------------------------------------------------------------------

    def deploy(self, change: Plan, options: Options | None = None) -> Report:
        """Carry a plan out on all its devices or on none, and return how it ended.

        Raise Problems if the plan is not for what the devices should say today, BusyError if another change is under
        way or was never ended. Any other failure is in the report, with the state every device was left in.
        """
        options = options or Options()
        self._here(change)
        plan.pinned(change, self.intended)
        self._demand_none_open(change)
        if not change.changed:
            return Report(change.id, 0, "nothing", dict.fromkeys(change.devices, End("unchanged")), {})
        with self._changing(f"plan {change.id}") as (records, replicas):
            _bury(records)
            fences = self._fences(change, options)
            if not fences.outcomes.ok:
                return _refused(change, fences.outcomes.failures)
            if held := unfinished.obstacles(fences.values, records):
                return _refused(change, held)
            claim = _claim(records, fences.values)
            opening = Opening(claim.token, change, lock.owner(), options.ticket)
            past = Past(take_over=frozenset(device for device, fence in fences.values.items() if fence.held))
            return self._carried_out(opening, Texts(self.intended), past, options, (records, replicas))

    def resume(self, options: Options | None = None) -> Report:
        """Finish the change that was begun and never ended: on all its devices, or, where that fails, on none.

        Raise UsageError if there is none, FencedError if another controller has taken it over.
        """
        return self._continued("resume", options or Options())

    def abort(self, options: Options | None = None) -> Report:
        """Take the change back that was begun and never ended, on all its devices. Raise as ``resume``."""
        return self._continued("abort", options or Options())

    def free(self, devices: Collection[str]) -> None:
        """End whatever change holds these devices: for a site that must act although another one's change was cut off.

        What is pending there is undone; what that change had confirmed already stays. Raise Problems if a device cannot
        be freed.
        """
        with closing(Journal(replica.own(self.state))) as own, unfinished.records(self.state, own) as records:
            fences = self.fleet.run(devices, "lock", Each(actions.fence)).values
            held = [device for device, fence in fences.items() if fence.held]
            results = self.fleet.run(held, "free", Each(actions.free, (_claim(records, fences),)))
        if not results.outcomes.ok:
            raise Problems(results.outcomes.failures)

    def open_changes(self) -> tuple[Open, ...]:
        """Return the changes that were begun here, or where the journal is kept here, and never ended, oldest first."""
        with closing(Journal(replica.own(self.state))) as own, unfinished.records(self.state, own) as records:
            return records.open()

    def status(self, progress: Progress | None = None) -> Status | None:
        """Return the change that was begun and never ended, with where each device stands; None if there is none."""
        progress = progress or Silent()
        found = self.open_changes()
        if not found:
            return None
        change = _planned(found[-1])
        fences = self.fleet.run(change.changed, "status", Each(actions.fence)).values
        if unfinished.released(fences, found[-1].numbers):
            return None
        progress.stage("status", len(change.changed))
        results = self.fleet.run(change.changed, "status", self._standing(change, found[-1]), progress.device)
        away = {o.device: Standing("silent", note=str(o.failure)) for o in results.outcomes if o.failure}
        return Status(found[-1], change, {**results.values, **away})

    def _continued(self, way: Way, options: Options) -> Report:
        with self._changing(f"{way} of a change") as (records, replicas):
            if not (found := records.open()):
                raise UsageError("every change that was begun has ended: nothing to finish or take back")
            begun = found[-1]
            change = _planned(begun)
            self._here(change)
            fences = self._fences(change, options).values
            claim = _claim(records, fences)
            opening = Opening(claim.token, change, lock.owner(), begun.first.ticket, way, begun.newest)
            if unfinished.released(fences, begun.numbers):
                records.close(begun, "ended elsewhere")
                raise UsageError(
                    f"the devices say that change {begun.newest} has ended: nothing to finish or take back"
                )
            taken = unfinished.overtaken(fences, begun.numbers)
            if taken.keys() >= set(change.changed):
                records.close(begun, "overtaken")
            if taken and (way == "resume" or taken.keys() >= set(change.changed)):
                raise Problems(taken.values())
            return self._finished(begun, opening, frozenset(taken), options, (records, replicas))

    def _finished(
        self, begun: Open, opening: Opening, lost: frozenset[str], options: Options, kept_by: tuple[Records, Replicas]
    ) -> Report:
        everyone = frozenset(opening.plan.devices)
        if begun.texts:
            kept = texts.unpack(self.state, begun.texts)
            past = Past(begun.ours, kept.before, everyone, lost)
        else:
            # It died before the first device changed: there is nothing to take back, and all to do.
            if opening.verb == "resume":
                plan.pinned(opening.plan, self.intended)
            kept, past = Texts(self.intended), Past(take_over=everyone)
        return self._carried_out(opening, kept, past, options, kept_by)

    def _carried_out(
        self, opening: Opening, kept: Texts, past: Past, options: Options, kept_by: tuple[Records, Replicas]
    ) -> Report:
        records, replicas = kept_by
        journal = records.journals[0]
        journal.open(opening)
        here = controller(self.network)
        work = Work(opening.plan, here, self.network, self.fleet, kept, self.redact, journal, self.state, options)
        transaction = Transaction(work, Claim(opening.number, opening.owner), past)
        report = transaction.take_back() if opening.verb == "abort" else transaction.run()
        with suppress(NetdrError):  # the devices are what they are: a full disk must not hide how it ended
            journal.close_transaction(opening.number, report.result)
        return replace(report, notes=replicas.lost)

    # ---- what a change needs ---------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, purpose: str) -> Iterator[tuple[Records, Replicas]]:
        """Hold this controller's lock, with its journal open and the other controllers listening."""
        with lock.held(self.state, purpose) as dead, closing(Replicas(self.peers)) as replicas:
            if dead:
                _LOG.warning("an earlier change was never ended: its controller died (%s)", dead)
            own = closing(Journal(replica.own(self.state), replicas))
            with own as journal, unfinished.records(self.state, journal) as records:
                yield records, replicas

    def _here(self, change: Plan) -> None:
        if change.district != (here := self.network.district.settings.id):
            raise UsageError(f"the plan {change.id} is for {change.district}, not for {here}")

    def _demand_none_open(self, change: Plan) -> None:
        """Raise BusyError if a change of this controller died after it began to change devices of the plan.

        One that the devices say has ended only could not be closed, as on a full disk: that is made good. Of another
        controller's change the devices themselves say whether it still goes on.
        """
        with closing(Journal(replica.own(self.state))) as own, unfinished.records(self.state, own) as records:
            for begun in records.open():
                shared = set(change.devices) & set(_planned(begun).changed)
                if own.transaction(begun.newest) is None or not begun.begun or not shared:
                    continue
                fences = self.fleet.run(shared, "holders", Each(actions.fence)).values
                if not unfinished.released(fences, begun.numbers):
                    raise _never_ended(begun)
                records.close(begun, "ended")

    def _fences(self, change: Plan, options: Options) -> Results[Fence]:
        options.progress.stage("holders", len(change.devices))
        return self.fleet.run(change.devices, "lock", Each(actions.fence), options.progress.device)

    def _standing(self, change: Plan, begun: Open) -> Each[Standing]:
        return Each(stand, (begun.ours,), {device: (change.devices[device],) for device in change.changed})


@contextmanager
def opened(
    network: Network, placement: Placement, secrets: Mapping[str, Secret], state: Path, runner: str = runners.DEFAULT
) -> Iterator[Engine]:
    """Render what every device should say and yield an Engine on the real devices; close its connections afterwards.

    Raise Problems with every line that cannot be rendered, and as ``runners.chosen`` does.
    """
    intended = render.render_all(network, placement.active, secrets)
    hide = partial(redact, secrets=secrets, key=fingerprint_key(state))
    with Fleet(network, state, open_device, hide, runners.chosen(runner, state)) as fleet:
        yield Engine(network, placement, intended, fleet, state, hide, _peers(network, state))


def controller(network: Network) -> str:
    """Return the controller this runs on, known by its loopback; elsewhere the district's first controller."""
    controllers = network.hosts("controller")
    return next((node.id for node in controllers if _is_own(node.loopback)), controllers[0].id)


def _peers(network: Network, state: Path) -> Sequence[Peer]:
    """Return the other controllers, if this is one: elsewhere nobody expects a copy of the journal."""
    here = controller(network)
    if not _is_own(network.node(here).loopback):
        return ()
    return [replica.peer(network, node, state, here) for node in network.hosts("controller") if node.id != here]


def _is_own(address: IPv4Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
        return True


def _claim(records: Records, fences: Mapping[str, Fence]) -> Claim:
    """Return the claim of a new transaction: its number is higher than any that a device or a journal knows."""
    seen = [fence.token for fence in fences.values()]
    return Claim(max([records.last, *seen]) + 1, lock.owner())


def _bury(records: Records) -> None:
    """Write of the changes that died before they changed anything, or were ended elsewhere, that they are over."""
    own = records.journals[0]
    for transaction in own.unfinished():
        if records.ended(transaction.id):
            own.close_transaction(transaction.id, "ended elsewhere")
    for begun in records.open():
        if not begun.begun and own.transaction(begun.newest):
            own.close_transaction(begun.newest, "died")


def _planned(begun: Open) -> Plan:
    return plan.parse(begun.first.plan, "the journal")


def _refused(change: Plan, failures: Sequence[NetdrError]) -> Report:
    ends = {device: End("untouched" if one.changes else "unchanged") for device, one in change.devices.items()}
    return Report(change.id, 0, "refused", ends, {}, tuple(failures))


def _never_ended(begun: Open) -> BusyError:
    first = begun.first
    return BusyError(
        f"change {begun.newest} was begun and never ended: its controller died at '{begun.step}'",
        where=_planned(begun).id,
        why=f"{first.verb} by {first.owner} at {first.opened} {first.ticket}".rstrip(),
        hint="netdr deploy --status shows where its devices stand; then netdr deploy --resume, or --abort",
    )


def _leave_out(failure: NetdrError) -> NetdrError:
    if not isinstance(failure, UnreachableError):
        return failure
    hint = f"{failure.hint}\n  to change the others without it: -l '!{failure.where}'"
    return UnreachableError(failure.what, where=failure.where, why=failure.why, hint=hint)
