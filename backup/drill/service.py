"""One service of a drill: its data brought as a failover would, its own program started, then used from the units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from backup import snapshots, tree
from backup.bubble import Bubble
from backup.drill import room
from backup.drill.exercise import Try
from backup.drill.room import Guest, Visit, Visited
from backup.duty import Duty
from backup.host import Shell
from backup.machine import Machine
from backup.place import Fetch, Fetched
from backup.postgres import Cluster
from backup.proof import answers, application
from backup.proof.answers import Site
from backup.report import Steps
from backup.stream.extract import NEWEST
from backup.stream.link import streamed
from inventory.asset import Files, Postgres, Service
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError

Facts = Mapping[str, object]

# What every service answers at (docs/architecture.md): the page a recovery looks at too.
HEALTH = "/health"
# Seconds. What must be refused is believed to be after the first; what must be answered gets more on a busy host.
_REFUSED, _ANSWERED = 1.0, 5.0
# RFC 9110, 15.3: the request was received, understood and accepted.
_TAKEN = range(200, 300)


@dataclass
class Rehearsed:
    """A service on its way: ``restore``, ``start``, ``verify``, in this order. Each returns facts or raises.

    ``cluster`` is the drill's database server, None if no service has a database; ``work`` a folder of its own.
    """

    machine: Machine
    duty: Duty
    asset: Service
    address: str
    bubble: Bubble
    cluster: Cluster | None
    guests: Sequence[Guest]
    work: Path
    steps: Steps
    began: datetime
    fetched: Fetched | None = field(default=None, init=False)

    @property
    def databases(self) -> list[Postgres]:
        """The service's databases."""
        return [one for one in self.asset.data if isinstance(one, Postgres)]

    @property
    def trees(self) -> list[Files]:
        """The service's directory trees."""
        return [one for one in self.asset.data if isinstance(one, Files)]

    def restore(self, _limit: float) -> Facts:
        """Bring the newest that is here, from the stream or else the repository, and put it where the service looks.

        Facts: ``snapshot``, ``as_of`` (Unix seconds: what was acknowledged before is back), ``canaries``, ``stream``
        (why it could not be used, if so). Raise BackupError or ProofError if there is nothing that can be used.
        """
        found, why = self._fetch()
        self.fetched = found
        if self.cluster and self.databases:
            with self.steps.step("load databases"):
                application.load(self.cluster, self.databases, found.databases)
        for place, lies in application.places(self.trees, found.files).items():
            self._show(place, lies)
        canaries = answers.canaries(self.cluster, self.databases, self.began) if self.cluster else {}
        as_of = self._reached(datetime.fromisoformat(str(found.facts["as_of"])), canaries)
        facts = {"snapshot": found.facts["snapshot"], "as_of": as_of.timestamp(), "canaries": canaries}
        return {**facts, "stream": why} if why else facts

    def _fetch(self) -> tuple[Fetched, str]:
        fetch = Fetch(self.machine, self.duty, self.steps, "standby", self.work)
        if not streamed(self.duty):
            return fetch.snapshot(snapshots.LATEST), ""
        try:
            return fetch.moment(NEWEST), ""
        except NetdrError as error:
            # As a failover does: an older state is better than none, and the report says why.
            again = self.work / "again"
            tree.passable(again)
            return replace(fetch, work=again).snapshot(snapshots.LATEST), str(error)

    def _reached(self, as_of: datetime, canaries: Mapping[str, object]) -> datetime:
        """Return up to when all is back: a heartbeat that is back may be newer than what the copy vouches for."""
        beats = _beats(canaries)
        return max(as_of, min(beats)) if beats and len(beats) == len(self.asset.data) else as_of

    def _show(self, place: Path, lies: Path) -> None:
        got = self.bubble.run(["mount", "--bind", str(lies), str(place)], limit=room.QUICK)
        if got.code != 0:
            raise ProofError("restored files cannot be shown to the service", where=str(place), why=got.last_words)

    def start(self, _limit: float) -> Facts:
        """Start the service by its own program. Facts: ``program``, ``address``, ``ports``."""
        ports = application.tcp_ports(self.asset.ports)
        started = application.start(self.bubble, self.machine.layout.services / self.asset.id, ports)
        return {**started, "address": self.address}

    def verify(self, _limit: float) -> Facts:
        """Ask the databases, read records and pages through the service, let every unit use it or be refused.

        Facts: ``queries``, ``records``, ``pages``, ``units`` (that used it), ``refused`` (connections that the policy
        forbids and that did not come about), ``writes`` (and which unit made them). Raise Problems with everything that
        is not as it should be.
        """
        problems: list[NetdrError] = []
        facts: dict[str, object] = {}
        for look in (self._asked, self._used, self._written):
            try:
                facts |= look()
            except Problems as error:
                problems += error.problems
            except NetdrError as error:
                problems.append(error)
        if problems:
            raise Problems(problems)
        return facts

    def _asked(self) -> Facts:
        site = Site(self._reader(), self.address, self._port())
        facts: dict[str, object] = {}
        if self.cluster and self.databases:
            facts["queries"] = answers.queries(self.cluster, self.databases)
            facts["records"] = answers.records(self.cluster, self.databases, site)
        back = self.fetched.back if self.fetched else None
        if back:
            facts["pages"] = [answers.page(site, tree, back) for tree in self.trees if tree.url]
        return facts

    def _used(self) -> Facts:
        flows = [(guest, one) for guest in self.guests for one in guest.sample.tries if one.service == self.asset.id]
        seen = room.visited(self.bubble, [self._visit(guest, one) for guest, one in flows])
        wrong = [
            problem
            for (guest, one), found in zip(flows, seen, strict=True)
            if (problem := self._wrong(guest, one, found))
        ]
        if wrong:
            raise Problems(wrong)
        used = sorted({f"{guest.name} ({guest.sample.address})" for guest, one in flows if one.permitted})
        return {"units": used, "refused": sum(not one.permitted for _, one in flows)}

    def _written(self) -> Facts:
        """Send what the inventory says that users may send, and look for it in the database; after all reading."""
        writer = self._reader()
        if not (isinstance(writer, Guest) and self.cluster):
            return {"writes": {}}
        made: dict[str, str] = {}
        for one in self.databases:
            for name, wanted in one.writes.items():
                visit = Visit(writer, self.address, self._port(), _ANSWERED, wanted.post, json.dumps(wanted.body))
                (answer,) = room.visited(self.bubble, [visit])
                there = self.cluster.query(wanted.sql, one.database)[:1]
                if answer.status not in _TAKEN or there != [["t"]]:
                    why = f"status {answer.status}{answer.why and f': {answer.why}'}; '{wanted.sql}' answers {there}"
                    what = f"the write '{name}' does not reach the restored database '{one.database}'"
                    raise ProofError(what, where=f"{writer.name} to {self.address}{wanted.post}", why=why)
                made[name] = writer.name
        return {"writes": made}

    def _visit(self, guest: Guest, one: Try) -> Visit:
        path = HEALTH if one.permitted and one.port == self._port() else ""
        return Visit(guest, self.address, one.port, _ANSWERED if one.permitted else _REFUSED, path)

    def _wrong(self, guest: Guest, one: Try, found: Visited) -> NetdrError | None:
        where = f"{guest.name} ({guest.sample.address}) to {self.address}:{one.port}"
        if not one.permitted:
            hint = "the filter of the unit's switch and the policy do not agree: netdr verify matrix in a lab"
            what = f"a unit reaches {self.asset.id} where the policy forbids it"
            return ProofError(what, where=where, hint=hint) if found.connected else None
        if not found.connected:
            return ProofError(f"a unit does not reach {self.asset.id}", where=where, why=found.why)
        if one.port == self._port() and found.status != 200:
            why = f"status {found.status}" if found.status else found.why
            return ProofError(f"a unit cannot use {self.asset.id}", where=where, why=why)
        return None

    def _port(self) -> int:
        ports = application.tcp_ports(self.asset.ports)
        if not ports:
            hint = "give it one in services.yaml, or drill it as a proof: netdr backup verify"
            raise BackupError(f"{self.asset.id} has no TCP port, so no unit can use it", hint=hint)
        return ports[0]

    def _reader(self) -> Shell:
        """Return who reads records and pages: a unit that may use the service, the bubble itself if none may."""
        mine = (guest for guest in self.guests if self._may(guest))
        return next(mine, self.bubble)

    def _may(self, guest: Guest) -> bool:
        port = self._port()
        return any(one.permitted for one in guest.sample.tries if (one.service, one.port) == (self.asset.id, port))


def _beats(canaries: Mapping[str, object]) -> list[datetime]:
    rows = [one for one in canaries.values() if isinstance(one, dict)]
    return [datetime.fromisoformat(str(one["newest"])).astimezone(UTC) for one in rows if one["newest"]]
