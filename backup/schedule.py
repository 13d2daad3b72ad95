"""What a host does by the clock, and when each job is due: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.duty import Book, Duty
from backup.stream.link import streamed
from inventory.asset import Service
from inventory.entry import span

_HOUR, _DAY = 3600, 86400
# How often the verifier itself is tried.
_MONTH = 30 * _DAY
# How soon a stream that stands still, or lost what it had not received, is noticed and mended.
_STREAM = 60
# The hours of the night at which drills begin.
_DRILLS = (4, 5, 6)
# A job that failed is tried again after a tenth of its interval, a day at most, but not within a minute of its start.
_RETRY_SHARE, _RETRY_LEAST = 10, 60


@dataclass(frozen=True, slots=True)
class Job:
    """A verb for an asset, every so many seconds. ``rpo``: what is urgent goes first.

    ``together``: the assets of a job that is for several at once; ``asset`` is then what tells it from others.
    ``hour``: when in the night a job of whole days begins.
    """

    verb: str
    asset: str
    every: int
    rpo: int
    together: tuple[str, ...] = ()
    hour: int = 2

    @property
    def words(self) -> tuple[str, ...]:
        """What the command line says after ``netdr``."""
        return ("backup", self.verb, *(self.together or (self.asset,)), "--here")

    @property
    def name(self) -> str:
        """What the job is called in units and in the scheduler's memory."""
        return f"{self.verb}-{self.asset}"

    @property
    def retry(self) -> int:
        """Seconds after which a job that failed begins again."""
        return min(self.every, _DAY, max(_RETRY_LEAST, self.every // _RETRY_SHARE))


@dataclass(frozen=True, slots=True)
class Past:
    """How a job went the last time. ``began`` is in UTC."""

    began: datetime
    ok: bool


def jobs(book: Book) -> tuple[Job, ...]:
    """Return everything a host does by the clock, what is most urgent first."""
    found = [job for duty in book.duties.values() for job in _jobs(duty)] + _drills(book)
    return tuple(sorted(found, key=lambda job: (job.rpo, job.every, job.name)))


def _drills(book: Book) -> list[Job]:
    """Return a drill for each period that a policy names, of all services that are due as often or more often.

    So what is seldom drilled is drilled together with everything else, as a lost site would have it.
    """
    wanted = {
        duty.asset.id: (duty.protection.drill.every, duty.protection.rpo)
        for duty in book.duties.values()
        if duty.protection.drill and duty.role == "standby" and isinstance(duty.asset, Service)
    }
    last = max((rpo for _, rpo in wanted.values()), default=0)
    return [
        # However little a service may lose, a drill saves nothing: it goes last. Two drills at once are refused, and
        # the hours before are those of the proofs.
        Job("drill", span(every), every, last, _within(wanted, every), _DRILLS[number % len(_DRILLS)])
        for number, every in enumerate(sorted({every for every, _ in wanted.values()}))
    ]


def _within(wanted: Mapping[str, tuple[int, int]], every: int) -> tuple[str, ...]:
    return tuple(name for name, (own, _) in wanted.items() if own <= every)


def next_start(job: Job, past: Past | None, now: datetime) -> datetime:
    """Return when a job is to begin: now, if it never ran or ran in what is now the future (the clock was set back)."""
    if past is None or past.began > now:
        return now
    return past.began + timedelta(seconds=job.every if past.ok else job.retry)


def due(found: Iterable[Job], past: Mapping[str, Past], now: datetime) -> tuple[Job, ...]:
    """Return the jobs that should have begun by ``now``, in the order given."""
    return tuple(job for job in found if next_start(job, past.get(job.name), now) <= now)


def _jobs(duty: Duty) -> list[Job]:
    protection = duty.protection
    # At home the copy follows each run; at the DR site somebody has to notice what arrives, prove it and make room.
    everys = (
        {"run": protection.every, "prune": _DAY}
        if duty.role == "home"
        else {"tend": min(protection.every, _HOUR), "verify": protection.proof.every, "prune": _DAY, "mutate": _MONTH}
    )
    if streamed(duty):
        everys["stream"] = _STREAM
    return [Job(verb, duty.asset.id, every, protection.rpo) for verb, every in everys.items()]
