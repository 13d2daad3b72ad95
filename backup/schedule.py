"""What a host does by the clock, and when each job is due: pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backup.duty import Book, Duty
from backup.stream.link import streamed

_HOUR, _DAY = 3600, 86400
# How often the verifier itself is tried.
_MONTH = 30 * _DAY
# How soon a stream that stands still, or lost what it had not received, is noticed and mended.
_STREAM = 60
# A job that failed is tried again after a tenth of its interval, but not within a minute of its last start.
_RETRY_SHARE, _RETRY_LEAST = 10, 60


@dataclass(frozen=True, slots=True)
class Job:
    """A verb for an asset, every so many seconds. ``rpo``: what is urgent goes first."""

    verb: str
    asset: str
    every: int
    rpo: int

    @property
    def name(self) -> str:
        """What the job is called in units and in the scheduler's memory."""
        return f"{self.verb}-{self.asset}"

    @property
    def retry(self) -> int:
        """Seconds after which a job that failed begins again."""
        return min(self.every, max(_RETRY_LEAST, self.every // _RETRY_SHARE))


@dataclass(frozen=True, slots=True)
class Past:
    """How a job went the last time. ``began`` is in UTC."""

    began: datetime
    ok: bool


def jobs(book: Book) -> tuple[Job, ...]:
    """Return everything a host does by the clock, what is most urgent first."""
    found = [job for duty in book.duties.values() for job in _jobs(duty)]
    return tuple(sorted(found, key=lambda job: (job.rpo, job.every, job.name)))


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
