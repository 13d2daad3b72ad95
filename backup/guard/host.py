"""The guard of a services host: it looks every few seconds what may be served here, and makes it so.

What may not be served is shut: its databases refuse everybody, which takes a moment, and it is stopped. What may be
served again is opened, and started if the guard itself has stopped it or the host was switched off in between:
in the same epoch its data is still the newest. In a new epoch a recovery brings the data and starts it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from backup.guard import clock, decide, fence, files, ping
from backup.guard.book import Book
from backup.guard.decide import Held, Pace
from backup.guard.files import Place, Record, Standing
from backup.host import Shell
from backup.postgres import Cluster
from backup.repository import write_private
from netdr.kernel.errors import MissingError, NetdrError, RecoveryError

# Seconds for a service to start and to stop, and for a quick question.
START, STOP, QUICK = 120.0, 30.0, 5.0
# Seconds between two glances at the folder of orders.
GLANCE = 0.5
# Where systemd runs the guard, what it starts must not be a part of it: it would end with it (systemd.kill(5)).
_OUTSIDE = ("systemd-run", "--quiet", "--wait", "--collect", "--property=KillMode=process", "--")


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with which services."""

    shut: frozenset[str]
    open: frozenset[str]
    start: frozenset[str]


def work(services: Collection[str], may: Collection[str], standing: Standing) -> Work:
    """Return what makes it so that only what ``may`` be served is, given what runs, is shut, and is to be resumed."""
    closed = set(services) - set(may)
    return Work(
        shut=frozenset(name for name in closed if name not in standing.shut or name in standing.running),
        open=frozenset(set(may) & set(standing.shut)),
        start=frozenset((set(may) & set(standing.resume)) - set(standing.running)),
    )


@dataclass(frozen=True)
class Guard:
    """The guard of the host that netdr runs on. ``cluster`` is asked for only if a service has databases."""

    book: Book
    place: Place
    shell: Shell
    cluster: Callable[[], Cluster]
    now: Callable[[], float] = clock.now
    starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    starting: dict[str, Future[None]] = field(default_factory=dict)

    def begin(self) -> Standing:
        """Return how the guard stood when it last ended in this run of the host, else how one that booted stands."""
        with suppress(OSError, ValueError):
            found = Standing.load(self.place.standing.read_text(encoding="utf-8"))
            if found.boot == clock.boot():
                return found
        return Standing.fresh(self._record(), self.now())

    def look(self, before: Standing) -> Standing:
        """Return how the guard stands after it has heard its orders, looked around and done what is to be done."""
        now, pace = self.now(), self.book.pace
        held = before.held
        for order in files.orders(self.place.orders.glob("*.json"), before.life):
            held = decide.obey(held, order, now, pace)
        held = decide.aged(held, now, pace)
        if held.confirmed and now - held.heard > pace.lease / 2:
            reached = ping.answering(self.shell, self.book.address, self.book.witnesses.values())
            held = decide.witnessed(held, now, reached, len(self.book.witnesses), pace)
        record, unsaved = self._record(), ""
        if (record.epoch, record.active) != (held.epoch, held.active):
            # On the disk before anybody hears of it.
            unsaved = self._save(replace(record, epoch=held.epoch, active=held.active))
        if before.held.epoch != held.epoch:
            before = replace(before, resume=())
        may = decide.served(held, self.book.site, self.now(), pace)
        running = self._running(may)
        standing = replace(before, at=now, held=held, book=self.book.mark, may=tuple(sorted(may)), running=running)
        return self._done(standing, work(self.book.services, may, standing), unsaved)

    def _done(self, standing: Standing, todo: Work, unsaved: str) -> Standing:
        running, may = set(standing.running), set(standing.may)
        problems = [unsaved, *self._opened(todo.open), *self._started(todo.start)]
        with ThreadPoolExecutor(1) as pool:
            # A server that hangs must not keep services from being stopped.
            fencing = pool.submit(self._fence, todo.shut)
            unstopped = self._stop(todo.shut)
            unfenced = fencing.result()
        shut = (set(standing.shut) | todo.shut) - todo.open - unfenced.keys() - unstopped.keys()
        resume = (set(standing.resume) | (todo.shut & running)) - (may & running)
        # Databases whose server does not run take no writes; they are fenced as soon as it does.
        harmless = unfenced.keys() - unstopped.keys() if self._asleep(unfenced) else set()
        carried_out = not unsaved and shut | may | harmless >= set(self.book.services)
        problems += [self._note(standing, todo), *unfenced.values(), *unstopped.values()]
        return replace(
            standing,
            shut=tuple(sorted(shut)),
            resume=tuple(sorted(resume)),
            problems=tuple(dict.fromkeys(filter(None, problems))),
            acked=standing.held.epoch if carried_out else standing.acked,
        )

    def _note(self, standing: Standing, todo: Work) -> str:
        """Write down what is served in this epoch, for a host that was switched off; return what went wrong."""
        record = self._record()
        served = {
            name: epoch for name, epoch in record.served.items() if name not in standing.may or name in todo.start
        }
        served |= {name: standing.held.epoch for name in standing.may if name in standing.running}
        return self._save(replace(record, served=served)) if served != record.served else ""

    def _save(self, record: Record) -> str:
        """Write the record to the disk; return what went wrong. Nothing that has to be shut waits for that."""
        try:
            record.save(self.place.record)
        except OSError as error:
            return f"the record cannot be written: {error}"
        return ""

    def _opened(self, names: Collection[str]) -> list[str]:
        with suppress(NetdrError):
            self._databases(names, fence.lift)
            return []
        return [f"the databases of {', '.join(sorted(names))} are still fenced"]

    def _started(self, names: Collection[str]) -> list[str]:
        """Start services without waiting for them: leases go on meanwhile. Return what the last starts said."""
        said = []
        for name, running in list(self.starting.items()):
            if running.done():
                del self.starting[name]
                if error := running.exception():
                    said.append(str(error))
        for name in sorted(set(names) - self.starting.keys()):
            self.starting[name] = self.starter.submit(self._control, name, "start", START)
        return said

    def _fence(self, names: Collection[str]) -> dict[str, str]:
        """Fence the databases of services; return what went wrong by service."""
        try:
            self._databases(names, fence.fence)
        except NetdrError as error:
            return {name: str(error) for name in names if self.book.services[name].databases}
        return {}

    def _asleep(self, unfenced: Mapping[str, str]) -> bool:
        """Return whether there is no database server to be reached (pg_isready(1): 2), or none is installed."""
        if not unfenced:
            return False
        try:
            return self.shell.run(self.cluster().client("pg_isready", "-q"), limit=QUICK).code == 2
        except MissingError:
            return True

    def _stop(self, names: Collection[str]) -> dict[str, str]:
        """Stop services, all at once; return what went wrong by service."""
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            stopping = {name: pool.submit(self._control, name, "stop", STOP) for name in names}
            errors = {name: stopped.exception() for name, stopped in stopping.items()}
        return {name: str(error) for name, error in errors.items() if error}

    def _databases(self, names: Collection[str], act: Callable[[Cluster, tuple[str, ...]], object]) -> None:
        databases = tuple(sorted({one for name in names for one in self.book.services[name].databases}))
        if databases:
            act(self.cluster(), databases)

    def _control(self, service: str, verb: str, limit: float) -> None:
        outside = _OUTSIDE if verb == "start" and Path("/run/systemd/system").is_dir() else ()
        result = self.shell.run([*outside, str(self.place.services / service), verb], limit=limit)
        if result.code != 0:
            raise RecoveryError(f"'{verb}' of {service} failed", where=self.book.host, why=result.last_words)

    def _running(self, may: Collection[str]) -> tuple[str, ...]:
        """Return the services whose address is on ``lo``: ``start`` puts it there, ``stop`` takes it away.

        If that cannot be told, what may not be served counts as running, so that it is stopped.
        """
        try:
            result = self.shell.run(["ip", "-json", "address", "show", "dev", "lo"], limit=QUICK)
            links = json.loads(result.out)
        except (NetdrError, ValueError):
            return tuple(sorted(self.book.services.keys() - set(may)))
        here = {item.get("local") for link in links for item in link.get("addr_info", ())}
        return tuple(sorted(name for name, one in self.book.services.items() if one.address in here))

    def _record(self) -> Record:
        return Record.load(self.place.record, self.book.home)


def run(guard: Guard, say: Callable[[str], None], wait: Callable[[float], object] = time.sleep) -> NoReturn:
    """Guard the host for ever; ``say`` is told when what may be served here changes, or something goes wrong."""
    guard.place.orders.mkdir(parents=True, exist_ok=True)
    standing = guard.begin()
    told = ""
    while True:
        seen, began = _newest(guard.place), guard.now()
        try:
            standing = guard.look(standing)
            write_private(guard.place.standing, standing.dump())
            words = _words(standing)
        except (NetdrError, OSError) as error:
            # Whatever it is, the next look may do better; without one the host would go on as it is.
            words = str(error)
        if told != (told := words):
            say(words)
        due = _due(standing.held, began, guard.book.pace)
        while guard.now() < due and _newest(guard.place) == seen:
            wait(min(GLANCE, guard.book.pace.every / 5))


def _due(held: Held, began: float, pace: Pace) -> float:
    """Return when to look again: by its pace, and as soon as a lease is over."""
    soon = began + pace.every
    return min(soon, held.heard + pace.lease) if held.confirmed else soon


def _words(standing: Standing) -> str:
    may = ", ".join(standing.may) or "nothing"
    return "; ".join((f"epoch {standing.held.epoch}: may serve {may}", *standing.problems))


def _newest(place: Place) -> int:
    return max((path.stat().st_mtime_ns for path in place.orders.glob("*.json")), default=0)
