"""What losing a link, a node or the server room costs the units, and what going home costs, with users at work.

*rto tier N*: seconds from the decision until every unit's user has an answer again from every service of the tier, at
the same address. The peer is what a careful Ansible user writes for the same failover (``peers/failover.yml``): the
same stream and the same repositories, restores side by side, the device's files rendered beforehand. *rpo*: how old the
newest acknowledged write is that survived, and 0 if all did. *failback pause*: the longest that a unit's user waits
for tier 1 while the services go home. *link loss outage*, *node loss outage*: the longest that any unit's connections
to any service fail when a backbone link or a core device goes, at 20 connections a second from every unit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import measure
from box import NETDR, ROOT, BenchError, Box, opened
from measure import OURS, Comparison, interleaved

from inventory import placement
from inventory import secrets as vault
from inventory.asset import Files, Postgres, Service
from lab import users, visits
from lab.listen import Endpoint
from lab.probe import Flow
from lab.settle import settled
from lab.traffic import Traffic
from nornir_tasks import render
from nornir_tasks.drivers.linux_device import parse

COMMAND = "./run bench recovery"
PEER = "ansible-core"
PEERS = Path(__file__).with_name("peers")
KEY, KNOWN_HOSTS = "/var/lib/netdr/ssh/id_ed25519", "/var/lib/netdr/ssh/known_hosts"
# Seconds between two visits of a user to a service: how exactly a user's waiting is known.
VISIT_S = 0.5
# Users are at work for so long before something happens to them, and after it is over.
CALM_S = 4.0
# Seconds for what is not measured: setting up, going home.
LIMIT = 600.0
# How long the units are watched after a cut, and how long the network may take to be whole again.
WATCH_S, WHOLE_S = 6.0, 30.0


class Town:
    """The district in its lab, its sites by kind, and how things are done to it."""

    def __init__(self, box: Box) -> None:
        self.box, self.network = box, box.network
        self.main, self.dr = (self._site(kind) for kind in ("main", "dr"))
        self.controller, self.far = (self.network.hosts("controller", site)[0].id for site in (self.main, self.dr))
        self.home, self.standby = (self.network.hosts("services", site)[0].id for site in (self.main, self.dr))
        self.services: tuple[Service, ...] = self.network.district.services

    def _site(self, kind: str) -> str:
        return next(site.id for site in self.network.district.sites if site.kind == kind)

    def at(self, node: str, *command: str) -> str:
        """Run a command on a node and return what it printed. Raise BenchError with its words if it fails."""
        return _run(self.box.argv(node, *command))

    def lab(self, verb: str, what: str) -> None:
        """Break or heal a part of the lab."""
        _run([NETDR, "-i", str(self.box.folder), "lab", verb, "--name", self.box.name, what])

    def prepare(self) -> None:
        """Bring the district into its daily state: configured, its servers set up, everything saved and streamed."""
        playbooks = ROOT / "playbooks"
        steps: Mapping[str, tuple[str, ...]] = {
            "configuring the devices": ("netdr", "deploy", "--yes"),
            "setting the servers up": (
                "env", f"ANSIBLE_CONFIG={playbooks}/ansible.cfg", "ansible-playbook", f"{playbooks}/site.yml",
            ),
        }  # fmt: skip
        for words, command in steps.items():
            _say(words)
            self.at(self.controller, *command)
        self.save()

    def save(self) -> None:
        """Save every service, copy it off site, and see to it that the stream flows."""
        _say("saving every service")
        self.at(self.controller, "netdr", "backup", "run")
        self.at(self.controller, "netdr", "backup", "stream")

    @contextmanager
    def working(self, name: str) -> Iterator[Path]:
        """Have a user in every unit use every service that it may, all the time; give the log of what they met."""
        log = self.box.work / f"{name}.jsonl"
        log.unlink(missing_ok=True)
        names = [service.id for service in self.services]
        with users.Users(users.errand(self.box.name, self.network, names, log, VISIT_S)):
            time.sleep(CALM_S)
            yield log

    def served(self) -> None:
        """Wait until every unit reaches every service that it may. Raise BenchError if one does not."""
        end = time.monotonic() + LIMIT
        while waiting := [one.id for one in self.services if None in self._reached(one.id).values()]:
            if time.monotonic() > end:
                raise BenchError(f"some unit does not reach {', '.join(waiting)}")
            time.sleep(0.2)
        time.sleep(CALM_S)

    def _reached(self, service: str) -> Mapping[str, float | None]:
        return users.reached(self.box.name, self.network, service)


class Disaster:
    """The server room is lost, and a contestant brings the services back."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._count = 0
        self.rto: dict[tuple[int, str], list[float]] = {}
        self.rpo: dict[str, list[float]] = {}
        self.pause: list[float] = []

    def run(self, contestant: str) -> float:
        """Lose the room, let a contestant bring it all back, and put everything where it was."""
        town, self._count = self._town, self._count + 1
        _say(f"the server room is lost, {contestant}")
        with town.working(f"disaster-{self._count}") as log:
            town.lab("break", town.main)
            lost_at = time.time()
            # Whoever decides does it after the loss has been noticed; what is measured begins with the decision.
            time.sleep(CALM_S)
            decided = time.time()
            town.at(town.far, *(_OURS if contestant == OURS else self._peer()))
            took = time.time() - decided
            town.served()
            self._measured(contestant, log, lost_at, decided)
            _say("going home")
            town.lab("heal", town.main)
            if contestant == OURS:
                began = time.time()
                town.at(town.far, "netdr", "dr", "failback", "--yes", "--json")
                town.served()
                found = visits.read(log)
                self.pause.append(max(_pause(found, one.id, began) for one in town.services if one.tier == 1))
            else:
                self._go_home()
                town.served()
        town.save()
        return took

    def _measured(self, contestant: str, log: Path, lost_at: float, decided: float) -> None:
        found = visits.read(log)
        for tier in sorted({one.tier for one in self._town.services}):
            waited = [self._waited(found, one.id, decided) for one in self._town.services if one.tier == tier]
            self.rto.setdefault((tier, contestant), []).append(max(waited))
        lost = [self._lost(found, one, lost_at) for one in self._town.services if one.tier == 1]
        self.rpo.setdefault(contestant, []).append(max(lost))

    def _waited(self, found: Sequence[visits.Visit], service: str, decided: float) -> float:
        worst = visits.loss(found, service, decided, ()).worst_rto_s
        if not worst:
            raise BenchError(f"nobody waited for {service}, or somebody still does")
        return worst

    def _lost(self, found: Sequence[visits.Visit], service: Service, lost_at: float) -> float:
        if service.app != "casework":
            return 0.0
        survived = users.survivors(self._town.box.name, self._town.network, service.id)
        lost = visits.loss(found, service.id, lost_at, survived)
        if lost.rpo_s is None:
            raise BenchError(f"nothing of {service.id} survived")
        return lost.rpo_s

    def _peer(self) -> list[str]:
        work = self._town.box.work
        settings = [f"ANSIBLE_CONFIG={PEERS / 'ansible.cfg'}", f"ANSIBLE_SSH_CONTROL_PATH_DIR=/run/bench-{self._count}"]
        return ["env", *settings, "ansible-playbook", "-i", str(work / "recovery.yml"), str(PEERS / "failover.yml")]

    def _go_home(self) -> None:
        """Put everything where it was before the peer came: what was written at the DR site is not carried home."""
        town = self._town
        for service in town.services:
            town.at(town.standby, f"/etc/netdr/services/{service.id}", "stop")
        for _ in range(30):
            try:
                town.at(town.controller, "netdr", "deploy", "--yes")
                break
            except BenchError:
                time.sleep(1)
        else:
            raise BenchError("the network does not go home")
        for service in town.services:
            town.at(town.home, f"/etc/netdr/services/{service.id}", "start")

    def prepare(self) -> None:
        """Write what the peer is given: its inventory, the services, the files of the DR site's device."""
        town, work = self._town, self._town.box.work
        device = next(wire.far(town.standby).node for wire in town.network.wires_of(town.standby))
        there = placement.home(town.network.district).moved({one.id: one.standby for one in town.services})
        secrets = vault.load(town.box.folder / ".netdr", vault.references(town.network.district))
        text = render.render_all(town.network, there.active, secrets)[device]
        for file in parse(text):
            path = Path(f"{work}/recovery{file.path}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.content, encoding="utf-8")
        hosts = {name: str(town.network.node(name).loopback) for name in (town.standby, device)}
        account = town.network.district.settings.management.account
        rule = f"{account} ALL=(ALL) NOPASSWD: ALL"
        town.box.shell(device, f"umask 227; echo '{rule}' >/etc/sudoers.d/bench")
        inventory: dict[str, Any] = {
            "all": {
                "vars": {
                    "ansible_ssh_private_key_file": KEY,
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={KNOWN_HOSTS}",
                    "rendered": f"{work}/recovery",
                    "services": [self._told(one) for one in town.services],
                },
                "children": {
                    "standby": {"hosts": {town.standby: {"ansible_host": hosts[town.standby], "ansible_user": "root"}}},
                    "router": {"hosts": {device: {"ansible_host": hosts[device], "ansible_user": account}}},
                },
            }
        }
        (work / "recovery.yml").write_text(json.dumps(inventory), encoding="utf-8")

    def _told(self, service: Service) -> Mapping[str, object]:
        town = self._town
        protection = next(one for one in town.network.district.protections if one.id == service.protection)
        address, port = users.endpoint(town.network, service.id)
        return {
            "id": service.id,
            "site": service.home,
            "stream": protection.stream,
            "databases": [one.database for one in service.data if isinstance(one, Postgres)],
            "folders": [one.path for one in service.data if isinstance(one, Files)],
            "health": f"http://{address}:{port}/health",
        }


_OURS = ("netdr", "dr", "failover", "--yes", "--json")


def _pause(found: Sequence[visits.Visit], service: str, began: float) -> float:
    """Return the longest time that a unit's user waited, after ``began``, from the last success to the next one.

    An attempt that ends like the one before is not in the log unless it wrote something, so a reader's waiting is known
    from its first failure on.
    """
    longest = 0.0
    for unit in {one.unit for one in found}:
        mine = [one for one in found if one.unit == unit and one.service == service and one.t >= began]
        since = None
        for one in mine:
            if not one.ok:
                since = one.t if since is None else since
            elif since is not None:
                longest, since = max(longest, one.t - since), None
    return longest


def _outages(town: Town, cuts: Sequence[str]) -> list[float]:
    """Cut one thing after the other, each mended before the next; return the longest outage of any unit for each."""
    flows = {
        (unit, service.id): _flow(town, unit, service.id)
        for service in town.services
        for unit in users.allowed(town.network, service.id)
    }
    found = []
    for cut in cuts:
        _whole(flows)
        _say(f"cutting {cut}")
        with Traffic(flows) as traffic:
            time.sleep(1)
            town.lab("break", cut)
            time.sleep(WATCH_S)
        town.lab("heal", cut)
        found.append(max(loss.longest_gap_s for loss in traffic.losses.values()))
    _whole(flows)
    return found


def _flow(town: Town, unit: str, service: str) -> Flow:
    address, port = users.endpoint(town.network, service)
    at = Endpoint(IPv4Address(address), f"tcp/{port}", (f"{town.box.name}.{town.home}",))
    return Flow(users.namespace(town.box.name, unit), at)


def _whole(flows: Mapping[tuple[str, str], Flow]) -> None:
    if lost := {*flows} - {*settled(flows, WHOLE_S)}:
        raise BenchError(f"the network does not carry {sorted(lost)[:3]}")
    time.sleep(CALM_S)


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise BenchError(f"ended with {done.returncode}: {' '.join(argv)}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _say(words: str) -> None:
    sys.stderr.write(f"bench: {words}\n")


def main() -> None:
    """Run the bench and print its table."""
    options = measure.options(__doc__.splitlines()[0] if __doc__ else "", runs=3)
    with opened("bench") as box:
        town = Town(box)
        town.prepare()
        links = [wire.name for wire in town.network.wires if wire.kind == "backbone"]
        cores = [node.id for node in town.network.at_site(town.main) if node.role == "core"]
        found = [
            Comparison(name, COMMAND, tuple(_outages(town, cuts)), ())
            for name, cuts in (("link loss outage", links), ("node loss outage", cores))
            if cuts
        ]
        disaster = Disaster(town)
        disaster.prepare()
        works: dict[str, Callable[[], float]] = {OURS: lambda: disaster.run(OURS), PEER: lambda: disaster.run(PEER)}
        interleaved(works, options.runs)
        for tier in sorted({tier for tier, _ in disaster.rto}):
            ours, peer = (tuple(disaster.rto[tier, name]) for name in (OURS, PEER))
            found.append(Comparison(f"tier {tier} rto vs {PEER}", COMMAND, ours, peer))
        found.append(Comparison("tier 1 rpo", COMMAND, tuple(disaster.rpo[OURS]), ()))
        found.append(Comparison("failback pause", COMMAND, tuple(disaster.pause), ()))
    measure.show(found, as_json=options.json)


if __name__ == "__main__":
    main()
