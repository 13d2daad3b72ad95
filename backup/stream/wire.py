"""What the DR host asks the home cluster, over the replication protocol: the only thing its account may speak.

PostgreSQL manual, "Streaming Replication Protocol".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.host import Result, Shell
from backup.postgres import AS_POSTGRES
from backup.stream import wal
from backup.stream.link import INIT, SLOT, Link
from netdr.kernel.errors import BackupError, UnreachableError

# Seconds for a question; connecting has its own limit of 10.
ANSWER = 30.0
# How many bytes of log the source keeps for a receiver that is away, without which it would fill its own disk.
KEEP = "max_slot_wal_keep_size"


@dataclass(frozen=True, slots=True)
class State:
    """The home cluster and our slot there.

    ``flushed``: how far its log is on its disk; ``received``: how far it is on ours, None if there is no slot or the
    source has thrown away log that we had not received (``lost``).
    """

    system: str
    timeline: int
    flushed: int
    slot: bool
    received: int | None
    keep: str

    @property
    def lost(self) -> bool:
        """Whether log that was never received is gone."""
        return self.slot and self.received is None

    @property
    def behind(self) -> int | None:
        """How many bytes are on the source's disk and not on ours."""
        return None if self.received is None else max(0, self.flushed - self.received)


@dataclass(frozen=True, slots=True)
class Wire:
    """Asks over one link. ``programs``: the folder of PostgreSQL's clients."""

    shell: Shell
    programs: Path
    link: Link

    def state(self) -> State:
        """Return how things stand. Raise UnreachableError or BackupError if the source does not tell."""
        rows = self._ask("IDENTIFY_SYSTEM", f"READ_REPLICATION_SLOT {SLOT}", f"SHOW {KEEP}")
        (system, timeline, flushed, *_), (kind, received, *_), (keep, *_) = rows
        place = wal.position(received) if received else None
        return State(system, int(timeline), wal.position(flushed), bool(kind), place, keep)

    def make_slot(self) -> None:
        """Make our slot: from now on the source keeps its log until we have it, up to its own limit."""
        self._ask(f"CREATE_REPLICATION_SLOT {SLOT} PHYSICAL (RESERVE_WAL)")

    def drop_slot(self) -> None:
        """Remove our slot."""
        self._ask(f"DROP_REPLICATION_SLOT {SLOT} WAIT")

    def argv(self, program: str, *arguments: str, before: Sequence[str] = ()) -> list[str]:
        """Return the command line of a client program of ours, run as postgres by way of ``before``."""
        return [*AS_POSTGRES, *before, str(self.programs / program), f"--dbname={self.link.conninfo}", *arguments]

    def _ask(self, *questions: str) -> list[list[str]]:
        flags = ["-X", "-A", "-t", "-q", "-w", "-F", "\x1f", "-v", "ON_ERROR_STOP=1"]
        asked = [word for question in questions for word in ("-c", question)]
        connection = f"--dbname={self.link.conninfo} replication=true"
        argv = [*AS_POSTGRES, str(self.programs / "psql"), connection, *flags, *asked]
        done = self.shell.run(argv, limit=ANSWER)
        if done.code != 0:
            raise refusal(self.link, done)
        return [row.split("\x1f") for row in done.out.splitlines()]


def require_limit(state: State, link: Link) -> None:
    """Raise BackupError if the source would keep log for a receiver that is away until its disk is full."""
    if state.keep.startswith("-1"):
        raise BackupError(
            f"{KEEP} is unlimited there: a DR site that is away would fill the disk of the main site",
            where=link.label,
            hint=f"{INIT}, which sets it; or there: ALTER SYSTEM SET {KEEP} = '8GB'; SELECT pg_reload_conf()",
        )


# libpq's words, and what they mean here.
_REASONS = (
    ("certificate", "the home cluster does not show the pinned certificate", f"find out why before you {INIT}"),
    ("password authentication failed", "the home cluster refused the password", INIT),
    ("channel binding", "the home cluster cannot prove that it is the pinned one", INIT),
    ("pg_hba.conf", "the home cluster does not let this host in", INIT),
)
_AWAY = ("connection refused", "no route to host", "timeout expired", "timed out", "unreachable", "starting up")


def refusal(link: Link, done: Result) -> BackupError | UnreachableError:
    """Return, as an error, why a client of ours did not do all it should."""
    words = done.err.lower()
    first = next((line for line in done.err.splitlines() if ": " in line), done.last_words)
    for sign, what, hint in _REASONS:
        if sign in words:
            return BackupError(what, where=link.label, why=first, hint=hint)
    if any(sign in words for sign in _AWAY):
        hint = "what was received before is kept; check the home host and the path to it"
        return UnreachableError("the home cluster does not answer", where=link.label, why=first, hint=hint)
    return BackupError("the home cluster does not do what was asked", where=link.label, why=first)
