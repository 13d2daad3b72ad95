"""The world a recovery works in, of real parts: hosts over ssh, devices by the network engine, services by HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import cast

from backup import remote
from backup.recovery import points
from backup.recovery.world import Facts, Nobody, People, Point, World
from backup.snapshots import LATEST
from backup.stream.extract import NEWEST
from backup.verbs import WHERE
from inventory import placement
from inventory.asset import Postgres, Service
from inventory.holding import services_host
from inventory.network import Network
from inventory.placement import Placement
from netdr.cli import promotion
from netdr.cli.context import Context
from netdr.kernel.errors import NetdrError, Problems, RecoveryError
from nornir_tasks import engine, witness
from nornir_tasks.steps import Options

# A node that does not accept a connection to its sshd three times, one second each, does not answer.
_TRIES, _TRY_S = 3, 1.0
_SSH = 22


def world(context: Context, people: People | None = None) -> World:
    """Return the world as the controller that this runs on can touch it; without ``people`` nobody can be asked."""
    network, state = context.network, context.state
    return World(
        network=network,
        services=_Services(network, remote.over_ssh(network, context.inventory, state), state),
        answering=partial(answering, network),
        witness=partial(witness.reached, network, state),
        change=partial(_change, context),
        decide=partial(_decide, context),
        configure=partial(_configure, context),
        people=people or Nobody(),
    )


def answering(network: Network, nodes: Sequence[str]) -> tuple[str, ...]:
    """Of the nodes named, return those whose sshd can be reached from here, asked all at once."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        answers = pool.map(lambda node: _answers(str(network.node(node).loopback)), nodes)
        return tuple(node for node, answer in zip(nodes, answers, strict=True) if answer)


def _answers(address: str) -> bool:
    for _ in range(_TRIES):
        began = time.monotonic()
        try:
            socket.create_connection((address, _SSH), timeout=_TRY_S).close()
        except OSError:
            time.sleep(max(0.0, _TRY_S - (time.monotonic() - began)))
        else:
            return True
    return False


def _decide(context: Context, decided: Placement) -> None:
    """Record a placement here and on every other controller that answers; one that does not is told at the failback."""
    network = context.network
    if decided.epoch > placement.load(context.state, network.district).epoch:
        promotion.await_promotion(network, context.state, partial(answering, network))
    placement.save(context.state, decided)
    others = [node.id for node in network.hosts("controller") if node.id != engine.controller(network)]
    text = json.dumps({"epoch": decided.epoch, "active": dict(decided.active)})
    hosts = remote.over_ssh(network, context.inventory, context.state)
    netdr = str(Path(sys.executable).with_name("netdr"))
    command = [netdr, "-i", str(context.inventory.resolve()), "--state", str(context.state), "dr", "adopt"]
    for other in answering(network, others):
        result = hosts.shell(other).run(command, limit=30, stdin=text)
        if result.code != 0:
            raise RecoveryError(
                "another controller does not take over the placement", where=other, why=result.last_words
            )


def _change(context: Context, wanted: Placement) -> Facts:
    """Make the devices next to services hosts follow a placement: those that answer, in one transaction."""
    network = context.network
    near = {wire.far(host.id).node for host in network.hosts("services") for wire in network.wires_of(host.id)}
    with engine.opened(network, wanted, context.secrets, context.state) as opened:
        # A controller that is lost with its site is not waited for.
        up = set(answering(network, [*sorted(near), *(peer.name for peer in opened.peers)]))
        fleet = replace(opened, peers=[peer for peer in opened.peers if peer.name in up])
        devices = sorted(near & up)
        fleet.free(devices)
        change = fleet.plan_change(devices)
        report = fleet.deploy(change, Options(ask_services=False))
    if report.failures:
        raise Problems(report.failures)
    absent = sorted(near - set(devices))
    return {"changed": list(report.of("changed")), "not_reached": absent, "plan": report.plan}


def _configure(context: Context, devices: Sequence[str]) -> Facts:
    """Bring devices to their intended state, in one transaction."""
    network = context.network
    now = placement.load(context.state, network.district)
    with engine.opened(network, now, context.secrets, context.state) as fleet:
        fleet.free(devices)
        report = fleet.deploy(fleet.plan_change(devices))
    if report.failures:
        raise Problems(report.failures)
    return {"changed": list(report.of("changed")), "plan": report.plan}


@dataclass(frozen=True)
class _Services:
    """See ``backup.recovery.world.Services``."""

    network: Network
    hosts: remote.Hosts
    state: Path

    def control(self, host: str, service: str, verb: str, limit: float) -> Facts:
        """Run the service's own executable on its host; to start it there its guard has to let it."""
        if verb == "start":
            promotion.await_leave(self.state, self.hosts.shell(host), service)
        result = self.hosts.shell(host).run([f"/etc/netdr/services/{service}", verb], limit=limit)
        if result.code != 0:
            hint = f"run /etc/netdr/services/{service} {verb} on {host} and read what it says"
            raise RecoveryError(f"'{verb}' of {service} failed", where=host, why=result.last_words, hint=hint)
        return {"seconds": round(result.seconds, 2)}

    def restore(self, host: str, service: str, limit: float) -> Facts:
        """Put the newest that has come to the DR site into place: what was streamed, else the newest snapshot.

        Why a stream could not be used is the fact ``stream``: an older state is better than none.
        """
        if not self._streamed(service):
            return remote.restore(self.hosts, host, service, limit=limit)
        begun = time.monotonic()
        try:
            return remote.restore(self.hosts, host, service, remote.NEWEST_STREAMED, limit)
        except NetdrError as error:
            left = limit - (time.monotonic() - begun)
            return {**remote.restore(self.hosts, host, service, limit=left), "stream": str(error)}

    def bring(self, service: str, point: Point, limit: float) -> Facts:
        """Have the host where the service is active restore a point, from the DR site's copies or its stream."""
        target = services_host(self.network, self._active(service))
        snapshot = point.snapshot
        if not snapshot and self._streamed(service):
            return self._streamed_point(service, target, point.moment or NEWEST, limit)
        if point.moment:
            rows = cast("Sequence[points.Row]", self.job("list", service, limit)["snapshots"])
            snapshot = str(points.last_before(rows, service, datetime.fromisoformat(point.moment))["snapshot"])
        return remote.restore(self.hosts, target, service, remote.Choice(snapshot or LATEST), limit)

    def _streamed_point(self, service: str, target: str, moment: str, limit: float) -> Facts:
        """Put a moment of the stream into place: only the DR host has it, so it travels home as a snapshot."""
        away = services_host(self.network, self._asset(service).standby)
        if target == away:
            return remote.restore(self.hosts, target, service, remote.Choice(at=moment), limit)
        reports = remote.rewind(self.hosts, away, target, service, ("--at", moment))
        return remote.facts(reports[-1:])

    def job(self, verb: str, service: str, limit: float) -> Facts:
        """Have the host do it that the verb is for; what both sites do, the DR host."""
        asset = self._asset(service)
        where = "standby" if WHERE[verb] == "both" else WHERE[verb]
        found = remote.hosts_of(self.network, placement.load(self.state, self.network.district), where, [asset])
        if not found:
            raise RecoveryError(f"nothing to {verb}", where=service, why="it is active at the DR site")
        only = self.hosts.ask(next(iter(found)), remote.Order(verb, (service,), limit=limit))[0]
        if only.problems:
            raise Problems(only.problems)
        return only.facts

    def _active(self, service: str) -> str:
        return placement.load(self.state, self.network.district).active[service]

    def _asset(self, service: str) -> Service:
        return next(one for one in self.network.district.services if one.id == service)

    def _streamed(self, service: str) -> bool:
        asset = self._asset(service)
        policy = next(one for one in self.network.district.protections if one.id == asset.protection)
        return policy.stream and any(isinstance(one, Postgres) for one in asset.data)

    def carry(self, source: str, target: str, service: str, limit: float) -> Facts:
        """Save at the source, put that snapshot into place at the target."""
        return remote.carry(self.hosts, source, target, service, limit=limit)

    def use(self, service: Service, limit: float) -> Facts:
        """Fetch the service's health page at its address until it answers or the time is over."""
        address = str(self.network.services[service.id])
        port = next(int(port.partition("/")[2]) for port in service.ports if port.startswith("tcp/"))
        end, why = time.monotonic() + limit, ""
        while time.monotonic() < end:
            try:
                return {"status": _get(address, port)}
            except (OSError, http.client.HTTPException, RecoveryError) as error:
                why = str(error)
            time.sleep(0.2)
        raise RecoveryError(f"{service.id} does not answer", where=f"{address}:{port}", why=why)


def _get(address: str, port: int) -> int:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RecoveryError(f"answered {answer.status}")
    return answer.status


def standing(context: Context) -> dict[str, dict[str, object]]:
    """Return, for every service, where it should be active and what each of its hosts says of it."""
    network = context.network
    hosts = remote.over_ssh(network, context.inventory, context.state)
    active = placement.load(context.state, network.district).active
    up = set(answering(network, [host.id for host in network.hosts("services")]))
    found: dict[str, dict[str, object]] = {}
    for service in network.district.services:
        says: dict[str, str] = {}
        for host in network.hosts("services"):
            says[host.id] = "no answer"
            if host.id in up:
                with suppress(NetdrError):
                    code = hosts.shell(host.id).run([f"/etc/netdr/services/{service.id}", "status"], limit=20).code
                    says[host.id] = "serving" if code == 0 else "stopped"
        found[service.id] = {"active": active[service.id], "hosts": says}
    return found
