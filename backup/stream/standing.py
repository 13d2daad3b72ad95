"""How a stream stands at the DR host, from what is on this host alone: the home site may be gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.stream import link, receiver
from backup.stream.archive import Archive, Stretch
from backup.stream.tend import BASE_EVERY
from backup.stream.wal import PARTIAL
from netdr.kernel.errors import BackupError, NetdrError, ProofError

HINT = "netdr backup stream"


@dataclass(frozen=True, slots=True)
class Standing:
    """Ages in seconds, None for what never was.

    ``received``: since the last byte came; ``complete``: of the newest moment up to which all is known to be here.
    ``proof``: how the last one ended; ``receiving``: whether the receiver runs.
    """

    received: float | None
    complete: float | None
    base: float | None
    proven: float | None
    proof: str
    receiving: bool

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "received_age_s": self.received,
            "complete_age_s": self.complete,
            "base_age_s": self.base,
            "proven_age_s": self.proven,
            "last_proof": self.proof,
            "receiving": self.receiving,
        }


def of(machine: Machine, duty: Duty) -> Standing | None:
    """Return how the stream of an asset stands on this host, None if none arrives here."""
    if not link.streamed(duty) or duty.role != "standby":
        return None
    found = link.of_duty(machine.layout, duty)
    archive = Archive(found.top)
    newest = archive.newest()
    lines = machine.ledger(duty.asset.id).lines()
    return Standing(
        received=_age(_times(newest) if newest else (), machine.clock()),
        complete=_age([newest.reach] if newest else [], machine.clock()),
        base=_age((one.ended for one in newest.bases()) if newest else (), machine.clock()),
        proven=_age((line.at for line in proofs(lines) if line.facts["result"] == "passed"), machine.clock()),
        proof=next((line.facts["result"] for line in reversed(proofs(lines))), "none"),
        receiving=receiver.daemon(machine.shell, found).running(),
    )


def judge(duty: Duty, standing: Standing, where: str) -> tuple[NetdrError, ...]:
    """Return everything about a stream's standing that breaks the asset's promise, nothing if it is kept."""
    name, promise = duty.asset.id, duty.protection
    problems: list[NetdrError] = []
    if standing.received is None or standing.received > promise.rpo:
        since = "" if standing.received is None else f" for {standing.received:.0f} s"
        what = f"the stream of {name} has brought nothing{since}"
        problems.append(BackupError(what, where=where, hint=HINT))
    if not standing.receiving:
        problems.append(BackupError(f"nothing receives the stream of {name}", where=where, hint=HINT))
    if standing.base is None or standing.base > 2 * BASE_EVERY.total_seconds():
        age = "does not exist" if standing.base is None else f"is {standing.base / 3600:.0f} h old"
        problems.append(BackupError(f"the newest base backup of {name} {age}", where=where, hint=HINT))
    if standing.proof == "failed":
        what = f"the last proof of the stream of {name} failed"
        problems.append(ProofError(what, where=where, hint="netdr backup verify"))
    return tuple(problems)


def proofs(lines: Iterable[Line]) -> Sequence[Line]:
    """Return a ledger's lines about proofs of the stream."""
    return [line for line in lines if line.kind == "base" and line.facts.get("result") in {"passed", "failed"}]


def _times(stretch: Stretch) -> Iterable[datetime]:
    # The canary makes the source write something every second.
    return (datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in stretch.wal.glob(f"*{PARTIAL}"))


def _age(moments: Iterable[datetime | None], now: datetime) -> float | None:
    newest = max((moment for moment in moments if moment), default=None)
    return None if newest is None else round((now - newest).total_seconds(), 3)
