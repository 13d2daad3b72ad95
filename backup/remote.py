"""The controller's side: have the hosts do their duties, over ssh, and read what they report.

Every host runs the same netdr, installed at the same path as here. What it prints on stderr is its progress.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from backup import report, snapshots
from backup.duty import Book, book_of
from backup.host import Shell, SshShell, Watch, stop_all
from backup.report import JobReport
from backup.verbs import Where
from inventory.asset import Asset
from inventory.holding import holder, services_host
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError, StoppedError, UsageError, unknown

Site = Literal["home", "standby"]
Kept = TypeVar("Kept", bound=Asset)

# Seconds: the first backup of everything over a slow line. Each step on the host has its own, shorter limit.
LIMIT = 6 * 3600.0
_GO_ON = "the jobs go on there and end by themselves"


@dataclass(frozen=True, slots=True)
class Order:
    """What a host is told to do: a verb for services. ``limit`` in seconds."""

    verb: str
    services: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    stdin: str = ""
    limit: float = LIMIT


@dataclass(frozen=True, slots=True)
class Choice:
    """Which snapshot: ``latest`` or the beginning of an id at either site, from the repository of ``origin``.

    The DR host always reads its own repository; a home host reads that of ``origin``. ``at``: ``newest`` for databases
    as new as what has streamed to the DR host.
    """

    snapshot: str = snapshots.LATEST
    origin: Site = "standby"
    at: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """The options that say the same."""
        moment = ("--at", self.at) if self.at else ()
        return ("--snapshot", self.snapshot, "--from", self.origin, *moment)


NEWEST_COPY = Choice()
NEWEST_STREAMED = Choice(at="newest")


@dataclass(frozen=True)
class Hosts:
    """The hosts that hold a district's assets. ``shell`` gives the way to one by its id; ``watch`` gets its progress.

    ``inventory`` and ``state`` are where the controllers have the district's folder and their state.
    """

    network: Network
    shell: Callable[[str], Shell]
    watch: Watch | None = None
    inventory: Path = Path()
    state: Path = Path()

    def ask(self, host: str, order: Order) -> tuple[JobReport, ...]:
        """Have ``host`` carry out an order; return its reports, whatever they say.

        Raise UnreachableError if it does not answer, BackupError or what it raised itself if it reports nothing.
        """
        argv = [_program(), "backup", order.verb, *order.services, "--here", "--json", *order.options]
        result = self.shell(host).run(argv, limit=order.limit, stdin=order.stdin, watch=self.watch)
        if not result.out.lstrip().startswith("{"):
            hint = "is netdr installed there at the same path as here?"
            raise BackupError(f"netdr backup {order.verb} failed", where=host, why=result.last_words, hint=hint)
        return report.load(result.out)

    def metrics(self, host: str, limit: float) -> str:
        """Return what ``netdr backup metrics`` prints on a host.

        Raise UnreachableError if it does not answer within ``limit`` seconds, BackupError if it has nothing to tell.
        """
        result = self.shell(host).run([_program(), "backup", "metrics"], limit=limit)
        if result.code != 0:
            raise BackupError("netdr backup metrics failed", where=host, why=result.last_words)
        return result.out

    def each(self, orders: Mapping[str, Order]) -> tuple[JobReport, ...]:
        """Have several hosts carry out their orders at the same time.

        A host that cannot be asked is reported as the failure of each of its services; the others go on. Raise
        StoppedError after Ctrl-C: nobody listens to the hosts any more, but what they have begun they finish.
        """
        with ThreadPoolExecutor(max(1, len(orders))) as pool:
            running = [pool.submit(self._answer, host, order) for host, order in orders.items()]
            try:
                return tuple(one for answer in running for one in answer.result())
            except KeyboardInterrupt:
                stop_all()
                listed = ", ".join(orders)
                raise StoppedError(f"{listed}: no longer listened to", why=_GO_ON, hint="netdr backup status") from None

    def _answer(self, host: str, order: Order) -> tuple[JobReport, ...]:
        try:
            return self.ask(host, order)
        except NetdrError as error:
            problems = error.problems if isinstance(error, Problems) else (error,)
            return tuple(JobReport(name, host, order.verb, 0.0, {}, {}, problems) for name in order.services)


def _program() -> str:
    return str(Path(sys.executable).with_name("netdr"))


def over_ssh(network: Network, inventory: Path, state: Path, watch: Watch | None = None) -> Hosts:
    """Return the hosts as a controller reaches them: its key and the pinned host keys are in its state folder."""
    account = network.district.settings.management.account

    def shell(host: str) -> Shell:
        address = str(network.node(host).loopback)
        return SshShell(host, address, account, state / "ssh" / "id_ed25519", state / "ssh" / "known_hosts")

    return Hosts(network, shell, watch, inventory.resolve(), state.resolve())


def chosen(known: Iterable[Kept], names: Sequence[str], noun: str = "asset") -> tuple[Kept, ...]:
    """Return the named ones of the known, in their order, all if none is named. Raise UsageError for unknown names."""
    by_name = {one.id: one for one in known}
    for name in names:
        if name not in by_name:
            raise UsageError(unknown(noun, name, by_name))
    return tuple(one for one in by_name.values() if not names or one.id in names)


def hosts_of(
    network: Network, placement: Placement, where: Where, assets: Sequence[Asset]
) -> Mapping[str, Sequence[str]]:
    """Return which host does something for which assets, given at which of their sites it is done: a pure decision."""
    found: dict[str, list[str]] = {}
    for asset in assets:
        for site in _sites(where, asset, placement.active.get(asset.id, asset.home)):
            found.setdefault(holder(network, asset, site), []).append(asset.id)
    return found


def _sites(where: Where, asset: Asset, active: str) -> tuple[str, ...]:
    at_home = (asset.home,) if active == asset.home else ()
    return {"active": (active,), "home": at_home, "standby": (asset.standby,), "both": (*at_home, asset.standby)}[where]


def witness(hosts: Hosts, reports: Sequence[JobReport]) -> tuple[JobReport, ...]:
    """Have home hosts note what the DR host told of its ledgers (fact ``ledger``); return those that could not.

    A home host that does not answer is none of them: the DR site does its work without it.
    """
    assets = {asset.id: asset for asset in hosts.network.district.protected}
    failed: list[JobReport] = []
    for one in reports:
        if one.facts.get("ledger"):
            asset = assets[one.service]
            order = Order("witness", (asset.id,), ("--note", json.dumps(one.facts["ledger"])), limit=60)
            answers = hosts.each({holder(hosts.network, asset, asset.home): order})
            failed += [answer for answer in answers if any(isinstance(p, ProofError) for p in answer.problems)]
    return tuple(failed)


def init(hosts: Hosts, assets: Sequence[Asset]) -> tuple[JobReport, ...]:
    """Give every host its duties and credentials, start the DR server, make the repositories that are missing.

    The DR host first: it makes what opens its repositories, and that goes straight on to the home hosts through ssh,
    never to a disk of the controller. What exists is kept, so running it again repairs what is missing.
    """
    network, reports = hosts.network, list[JobReport]()
    for standby in sorted({services_host(network, asset.standby) for asset in assets}):
        access, verifiers = _access(hosts, standby)
        served = [one for one in assets if services_host(network, one.standby) == standby]
        homes = {one.id: holder(network, one, one.home) for one in served}
        for home in sorted(set(homes.values())):
            names = tuple(name for name, host in homes.items() if host == home)
            handed = json.dumps({"book": _book(hosts, home).dump(), "access": access, "verifiers": verifiers})
            answered = hosts.ask(home, Order("accept", names, stdin=handed))
            reports += [*answered, *_streams(hosts, standby, answered)]
    return tuple(reports)


def _streams(hosts: Hosts, standby: str, answered: Iterable[JobReport]) -> Iterable[JobReport]:
    """Have the DR host receive what a home host offers to stream, and return its reports."""
    for offer in (one.facts["offer"] for one in answered if "offer" in one.facts):
        handed = json.dumps({"book": _book(hosts, standby).dump(), "access": None, "offer": offer})
        yield from hosts.ask(standby, Order("accept", stdin=handed))


def _book(hosts: Hosts, host: str) -> Book:
    found = book_of(hosts.network, host)
    if found.role == "services":
        return found
    return replace(found, inventory=str(hosts.inventory), state=str(hosts.state))


def restore(
    hosts: Hosts, host: str, service: str, choice: Choice = NEWEST_COPY, limit: float = LIMIT
) -> Mapping[str, object]:
    """Put a snapshot of a stopped service into place on ``host`` and return its facts.

    Facts: ``snapshot``, ``source``, ``as_of`` (Unix seconds: everything acknowledged before it is back), ``files``,
    ``bytes``, ``seconds``. Raise Problems if anything is not as it was saved.
    """
    return facts(hosts.ask(host, Order("restore", (service,), choice.argv, limit=limit)))


def save(hosts: Hosts, host: str, service: str, limit: float = LIMIT) -> Mapping[str, object]:
    """Save a service on ``host`` (and copy it, if that is its home) and return its facts, as ``restore`` does.

    Raise Problems if it is not saved, or not at the DR site, when this returns.
    """
    return facts(hosts.ask(host, Order("run", (service,), limit=limit)))


def carry(hosts: Hosts, source: str, target: str, service: str, limit: float = LIMIT) -> Mapping[str, object]:
    """Bring a stopped service's last state from one host to the other, by way of the DR repository; return its facts.

    The snapshot that is put into place at ``target`` is the one just made at ``source``, whatever else is there.
    """
    saved = save(hosts, source, service, limit)
    return restore(hosts, target, service, Choice(str(saved["snapshot"])), limit)


def rewind(hosts: Hosts, source: str, target: str, service: str, options: tuple[str, ...]) -> tuple[JobReport, ...]:
    """Bring a stopped asset at home to a moment that only the DR host ``source`` knows; return what both report.

    ``options`` say which moment. What is put in place at ``target`` is the snapshot that ``source`` makes of it.
    """
    made = hosts.ask(source, Order("moment", (service,), options))
    if any(one.problems for one in made):
        return made
    chosen_one = ("--snapshot", str(made[0].facts["snapshot"]), "--from", "standby")
    return (*made, *hosts.ask(target, Order("restore", (service,), chosen_one)))


def facts(reports: Sequence[JobReport]) -> Mapping[str, object]:
    """Return the facts of the only report, ``as_of`` in Unix seconds. Raise Problems with what it says."""
    only = reports[0]
    if only.problems:
        raise Problems(only.problems)
    moment = datetime.fromisoformat(str(only.facts["as_of"])).timestamp()
    return {**only.facts, "as_of": moment, "seconds": only.seconds}


def _access(hosts: Hosts, standby: str) -> tuple[object, object]:
    handed = json.dumps({"book": _book(hosts, standby).dump(), "access": None})
    only = hosts.ask(standby, Order("accept", stdin=handed, limit=120))[0]
    if only.problems:
        raise Problems(only.problems)
    return only.facts["access"], only.facts.get("verifiers", {})
