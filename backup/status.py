"""How a service's backups stand against its promise: the ledger, the clock and the copies that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup import snapshots
from backup.duty import Duty
from backup.ledger import Line, last
from backup.machine import Machine
from backup.report import Steps
from backup.restic import Snapshot
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError


@dataclass(frozen=True)
class Standing:
    """What a host knows of a service. Ages in seconds; None where nothing ever succeeded.

    ``saved`` and ``copied`` are ages of the data: how much would be lost if that were all that is left.
    """

    saved: float | None
    copied: float | None
    proven: float | None
    proof: str
    lost: tuple[str, ...]
    failure: str

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "saved_age_s": self.saved,
            "copied_age_s": self.copied,
            "copy_lag_s": None if self.saved is None or self.copied is None else self.copied - self.saved,
            "proven_age_s": self.proven,
            "last_proof": self.proof,
            "lost": list(self.lost),
            "last_failure": self.failure,
        }


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Return the standing of a service on this host. Raise Problems if the promise is not kept."""
    with steps.step("look"):
        standing = of(machine, duty)
    problems = judge(duty, standing, machine.book.host)
    if problems:
        raise Problems(problems)
    return standing.as_dict()


def of(machine: Machine, duty: Duty) -> Standing:
    """Return the standing of a service on this host, judged by nobody yet."""
    name, found = duty.asset.id, None
    if duty.role == "standby":
        found = snapshots.of_service(machine.plain_restic.snapshots(machine.layout.disk(name)), name)
    return stand(machine.ledger(name).lines(), found, machine.clock())


def stand(lines: Sequence[Line], found: Sequence[Snapshot] | None, now: datetime) -> Standing:
    """Given a ledger and, at the DR site, the copies that are there, return how things stand at ``now``.

    At the DR site both ages are those of the newest copy: what was saved elsewhere since is not known here.
    """
    if found is None:
        saved = _age((line.facts["as_of"] for line in lines if line.kind == "snapshot"), now)
        copied = _age((line.facts["as_of"] for line in lines if line.kind == "copy"), now)
    else:
        saved = copied = _age((snapshots.as_of(one).isoformat() for one in found), now)
    proof = last(tuple(lines), "proof")
    passed = (line.at.isoformat() for line in lines if line.kind == "proof" and line.facts["result"] == "passed")
    lost = snapshots.lost(lines, found) if found is not None else ()
    return Standing(
        saved=saved,
        copied=copied,
        proven=_age(passed, now),
        proof=proof.facts["result"] if proof else "none",
        lost=tuple(line.facts["id"] for line in lost),
        failure=_open_failure(lines),
    )


def judge(duty: Duty, standing: Standing, where: str) -> tuple[NetdrError, ...]:
    """Return everything about a standing that breaks the service's promise, nothing if it is kept."""
    name, promise = duty.asset.id, duty.protection
    problems: list[NetdrError] = []
    if duty.role == "home":
        problems += _too_old(f"the newest backup of {name}", standing.saved, promise.rpo, where, "netdr backup run")
    problems += _too_old(f"the newest copy of {name}", standing.copied, promise.rpo, where, "netdr backup copy")
    if duty.role == "standby":
        hint = "netdr backup verify"
        problems += _too_old(f"the newest proof of {name}", standing.proven, promise.proof.every, where, hint)
        if standing.proof == "failed":
            problems.append(ProofError(f"the last proof of {name} failed", where=where, hint=hint))
        if standing.lost:
            listed = ", ".join(one[:8] for one in standing.lost)
            problems.append(ProofError(f"snapshots of {name} are gone from the copy", where=where, why=listed))
    if standing.failure:
        problems.append(BackupError(f"the last job of {name} failed", where=where, why=standing.failure))
    return tuple(problems)


def _too_old(what: str, age: float | None, limit: int, where: str, hint: str) -> list[NetdrError]:
    if age is None:
        return [BackupError(f"{what} does not exist", where=where, hint=hint)]
    if age > limit:
        return [BackupError(f"{what} is {age:.0f} s old", where=where, why=f"the promise is {limit} s", hint=hint)]
    return []


def _age(moments: Iterable[str], now: datetime) -> float | None:
    newest = max((datetime.fromisoformat(moment) for moment in moments if moment), default=None)
    return None if newest is None else round((now - newest).total_seconds(), 3)


def _open_failure(lines: Sequence[Line]) -> str:
    """Return the words of a failed job that no success of the same verb has followed."""
    done = {"snapshot": "run", "copy": "copy", "proof": "verify"}
    failures: dict[str, str] = {}
    for line in lines:
        if line.kind == "failure":
            failures[line.facts["verb"]] = line.facts["what"]
        elif line.facts.get("result") != "failed":
            failures.pop(done.get(line.kind, ""), None)
    return "; ".join(failures.values())
