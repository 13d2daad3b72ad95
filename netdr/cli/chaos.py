"""``netdr dr chaos``: break a lab again and again while its users work, and look whether what must hold holds."""

from __future__ import annotations

import http.client
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from inventory import placement
from inventory.asset import Service
from inventory.network import Network
from lab import chaos as rules
from lab import control, netns, state, users, visits
from lab.chaos import Event, Trouble
from lab.failing import flow
from lab.settle import settled
from lab.sweep import Use
from lab.visitor import get
from netdr.cli.context import Context, print_json
from netdr.cli.demo.stage import Stage
from netdr.kernel.errors import LabError, MonitorError, NetdrError, RecoveryError, UsageError

# Seconds. A use that should work is waited for, then it is missing; a user's next visit comes this soon.
SETTLE_S, VISIT_S = 20.0, 1.0
# An alert may wait for its rule's `for`, and for the group in Alertmanager.
ALERT_S, RESOLVED_S = 60.0, 120.0
MOVE_S = 600.0
# Alerts that tell for a while of what has happened and is over.
_PAST = frozenset({"DeviceRestarted"})


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that had to hold and did not, after which event (its number, from 1; 0: all the time)."""

    event: int
    rule: str
    what: str


@dataclass
class Found:
    """What a run found out."""

    seed: int
    protocol: list[dict[str, object]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    acknowledged: int = 0
    lost: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return asdict(self)


@click.command()
@click.option("--name", help="The lab. Default: named after the district.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed breaks the same things again.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=8, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@click.pass_obj
def chaos(context: Context, name: str | None, seed: int, rounds: int, as_json: bool) -> None:
    """Break links, nodes, sites and processes of a running lab while every unit works; check what must always hold.

    The district must be configured, saved and streamed (netdr deploy, playbooks/site.yml, netdr backup run). Checked:
    at most one site serves a service; whoever has a path to a service reaches it; acknowledged writes are lost only as
    the policy allows; every cut link and lost device raises an alert; afterwards all is as before.
    """
    network = context.network
    events = rules.script(network, seed, rounds)
    called = name or network.district.settings.id
    alive = control.status(called)
    if alive.cut or any(not node.power for node in alive.nodes):
        raise UsageError(f"something of the lab {called} is broken already", hint="netdr lab heal; netdr lab status")
    with tempfile.TemporaryDirectory(prefix="netdr-chaos-") as folder:
        stage = Stage(context, called, Path(folder))
        stage.visit_every_s = VISIT_S
        found = Run(stage, Found(seed)).play(events)
    _report(context, found, as_json=as_json)


def _report(context: Context, found: Found, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
    else:
        words = context.text(
            f"{len(found.protocol)} events, {found.acknowledged} acknowledged writes, {found.lost} lost as allowed",
            f"{len(found.protocol)} 个事件，{found.acknowledged} 次已确认写入，策略允许内丢失 {found.lost} 次",
        )
        click.echo(words)
    if found.violations:
        why = "\n".join(f"event {one.event}: {one.rule}: {one.what}" for one in found.violations)
        hint = f"play it again: --seed {found.seed}"
        raise RecoveryError(f"{len(found.violations)} rules were broken", why=why, hint=hint)


class Run:
    """One run: what is broken now, where services should be active, when the active site was lost."""

    def __init__(self, stage: Stage, found: Found) -> None:
        self._stage, self._found = stage, found
        self._network: Network = stage.network
        self._active = dict(placement.home(self._network.district).active)
        self._broken: set[Trouble] = set()
        self._windows: list[tuple[float, float]] = []
        self._number = 0

    def play(self, events: Sequence[Event]) -> Found:
        """Do all events and return what was found. Whatever happens, what is broken is mended."""
        with self._stage.users(), self._watched():
            time.sleep(2 * VISIT_S)
            try:
                for self._number, event in enumerate(events, 1):
                    self._play(event)
            finally:
                self._mend()
            self._normal()
        return self._found

    def _play(self, event: Event) -> None:
        began = time.time()
        try:
            self._do(event)
            self._reach()
            if event.act == "break" and event.what:
                self._alert(event.what, began)
            if event.act in {"failback", "failover"}:
                self._writes()
        except NetdrError as error:
            self._violated("the event itself", error.report())
        line = {"event": self._number, "what": str(event), "seconds": round(time.time() - began, 1)}
        self._found.protocol.append(line)
        self._stage.say(f"{line['event']:>3} {line['what']:<40} {line['seconds']:>6} s")

    # ---- acting ----------------------------------------------------------------------------------------------

    def _do(self, event: Event) -> None:
        if event.what is None:
            self._move(event.act)
        elif event.act == "break":
            if event.what.kind == "site" and event.what.name in self._active.values():
                self._windows.append(self._window())
            self._broken.add(event.what)
            self._switch("break", event.what)
        else:
            self._switch("heal", event.what)
            self._broken.discard(event.what)

    def _switch(self, verb: str, what: Trouble) -> None:
        if what.kind != "process":
            self._stage.lab(verb, what.name)
            return
        host = self._network.hosts("services", self._active[what.name])[0].id
        if verb == "heal":
            self._stage.at(host, f"/etc/netdr/services/{what.name}", "start")
        else:
            self._stage.at(host, "sh", "-c", f"kill -9 $(cat /run/netdr/{what.name}/app.pid)")

    def _move(self, act: str) -> None:
        self._stage.json(self._stage.dr_controller, "dr", act, "--yes", limit=MOVE_S)
        for service in self._stage.services:
            self._active[service.id] = service.standby if act == "failover" else service.home

    def _window(self) -> tuple[float, float]:
        policies = {one.id: one.rpo for one in self._network.district.protections}
        now = time.time()
        # What a user was told in the very moment of the loss is written down a little later.
        return now - max(policies[service.protection] for service in self._stage.services), now + VISIT_S

    def _mend(self) -> None:
        for what in sorted(self._broken, key=str):
            self._stage.say(f"    mending {what.kind} {what.name}")
            self._switch("heal", what)
        self._broken.clear()

    # ---- looking ---------------------------------------------------------------------------------------------

    def _violated(self, rule: str, what: str) -> None:
        self._found.violations.append(Violation(self._number, rule, what))
        self._stage.say(f"  ! {rule}: {what}")

    def _reach(self) -> None:
        """See to it that whoever has a path to a service that serves reaches it."""
        wanted = [
            Use("service", unit, service.id)
            for service in self._stage.services
            for unit in users.allowed(self._network, service.id)
        ]
        must = rules.paths(self._network, self._active, self._broken, wanted)
        if not self._serving():
            return
        flows = {use: flow(self._stage.name, self._network, self._active, use) for use in must}
        reached: frozenset[Use] = settled(flows, SETTLE_S)
        for use in sorted(must - reached, key=str):
            self._violated("who has a path is served", f"{use.source} does not reach {use.target}")

    def _serving(self) -> bool:
        """Return whether the active site has its power: without it nobody can be served until it is decided anew."""
        dead = {one.name for one in self._broken if one.kind == "site"}
        return not dead & set(self._active.values())

    def _alert(self, what: Trouble, since: float) -> None:
        """See to it that monitoring tells of what is cut or lost: it runs at the main site, while that has power."""
        node = self._stage.controller
        if what.kind == "process" or not self._has_power(node):
            return
        names = _concerned(self._network, what)
        end = time.monotonic() + ALERT_S
        while time.monotonic() < end:
            told = self._stage.json(node, "monitor", "status", codes=(0, MonitorError.exit_code))
            if any(_mentions(alert, names) for alert in told.get("alerts", ())):
                return
            time.sleep(1)
        self._violated("what is broken is told", f"no alert at {node} since {since:.0f} for {what.kind} {what.name}")

    def _has_power(self, node: str) -> bool:
        dead = {found.id for one in self._broken if one.kind == "site" for found in self._network.at_site(one.name)}
        return node not in dead

    def _writes(self) -> None:
        """See to it that acknowledged writes are there, but for those that a failover may lose."""
        found = visits.read(self._stage.log)
        counted = lost = 0
        for service in (one for one in self._stage.services if one.app == "casework"):
            survived = users.survivors(self._stage.name, self._network, service.id, self._who(service))
            mine = [one for one in found if one.unit in self._who(service)]
            loss = rules.lost(mine, service.id, survived, self._windows)
            counted += len(visits.acknowledged(mine, service.id))
            lost += loss.explained
            if loss.unexplained:
                self._violated("acknowledged writes stay", f"{len(loss.unexplained)} of {service.id} are gone")
        self._found.acknowledged, self._found.lost = counted, lost

    def _who(self, service: Service) -> tuple[str, ...]:
        """Return the units that can be asked now."""
        wanted = [Use("service", unit, service.id) for unit in users.allowed(self._network, service.id)]
        return tuple(use.source for use in rules.paths(self._network, self._active, self._broken, wanted))

    def _normal(self) -> None:
        """See to it that everything is as it was before."""
        self._number += 1
        self._reach()
        self._writes()
        done = self._stage.json(self._stage.controller, "dr", "status", codes=(0, RecoveryError.exit_code))
        if done["wrong"]:
            self._violated("all is as before", f"not where they should be: {', '.join(done['wrong'])}")
        end = time.monotonic() + RESOLVED_S
        while names := self._firing():
            if time.monotonic() > end:
                self._violated("all is as before", f"alerts still fire: {', '.join(names)}")
                return
            time.sleep(2)

    def _firing(self) -> list[str]:
        node, codes = self._stage.controller, (0, MonitorError.exit_code)
        told = self._stage.json(node, "monitor", "status", codes=codes)
        if "alerts" not in told:
            return [f"{node} cannot tell"]
        # What tells of the network; how old a backup is in a lab is nobody's concern here.
        names = {one["name"] for one in told["alerts"] if one["severity"] != "none" and _of_network(one)}
        return sorted(names - _PAST)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look once a second, all the time, whether two sites serve the same service."""
        end = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(self._watch, end)
            try:
                yield
            finally:
                end.set()
                watching.result()

    def _watch(self, end: threading.Event) -> None:
        hosts = [host.id for host in self._network.hosts("services")]
        told = set[tuple[str, ...]]()
        with ThreadPoolExecutor(len(hosts)) as pool:
            while not end.wait(1.0):
                seen = list(pool.map(lambda host: _serves(self._stage, host), hosts))
                for service in self._stage.services:
                    at = tuple(host for host, names in zip(hosts, seen, strict=True) if service.id in names)
                    if len(at) > 1 and (service.id, *at) not in told:
                        told.add((service.id, *at))
                        self._violated("at most one site is active", f"{service.id} at {' and '.join(at)}")


def _serves(stage: Stage, host: str) -> frozenset[str]:
    """Return the services that answer inside a host at their own addresses: those that run there."""
    try:
        netns.enter(state.namespace(stage.name, host))
    except (OSError, LabError):
        return frozenset()
    found = set()
    for service in stage.services:
        address, port = users.endpoint(stage.network, service.id)
        if not _local(address):
            continue
        try:
            get(address, port, "/health", 0.5)
        except (OSError, http.client.HTTPException):
            continue
        found.add(service.id)
    return frozenset(found)


def _local(address: str) -> bool:
    """Return whether an address is this network namespace's own: what is sent to another's would leave it."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _concerned(network: Network, what: Trouble) -> frozenset[str]:
    """Return the names that an alert about it may carry."""
    if what.kind == "link":
        wire = next(wire for wire in network.wires if wire.name == what.name)
        return frozenset({wire.name, *(end.node for end in wire.ends)})
    if what.kind == "site":
        return frozenset(node.id for node in network.at_site(what.name))
    near = (wire.far(what.name).node for wire in network.wires_of(what.name))
    return frozenset({what.name, *near})


def _mentions(alert: Mapping[str, Any], names: frozenset[str]) -> bool:
    return alert["severity"] != "none" and bool(names & {str(value) for value in alert["labels"].values()})


def _of_network(alert: Mapping[str, Any]) -> bool:
    return bool({"device", "link"} & {*alert["labels"]})
