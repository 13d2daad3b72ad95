"""How an asset's backups stand on a host: what its ledger says, compared with what lies there. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from backup import arrivals, brake
from backup.duty import Duty, Role
from backup.gaps import Gap, gaps
from backup.ledger import Line, last
from inventory.asset import DRILL_GRACE
from netdr.kernel.errors import BackupError, NetdrError, ProofError

# What a line that is no failure says was done well.
_DONE = {"snapshot": "run", "copy": "copy", "proof": "verify"}


@dataclass(frozen=True, slots=True)
class Found:
    """What lies on a DR host. ``present``: ids of snapshots there; ``unread``: since when its oldest byte is unread.

    ``stream``: all that was committed at home before that moment is here. None where there is none.
    """

    present: Collection[str] = ()
    unread: datetime | None = None
    stream: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """What a host knows of an asset. Moments in UTC, None where nothing ever succeeded.

    ``saved`` and ``copied`` are moments of the data: what was acknowledged earlier would not be lost if that were all
    that is left. ``proven``: when a restore was last proven; ``proven_data``: of which moment. ``rto`` and ``rpo`` are
    what that proof measured, in seconds. ``drilled``: when a drill of the service last went well; ``drill``: how the
    last one went. ``failures``: why, by verb, of jobs that no success has followed.
    """

    role: Role
    saved: datetime | None = None
    copied: datetime | None = None
    proven: datetime | None = None
    proven_data: datetime | None = None
    proof: str = "none"
    rto: float | None = None
    rpo: float | None = None
    unread: datetime | None = None
    stream: datetime | None = None
    offline: datetime | None = None
    drilled: datetime | None = None
    drill: str = "none"
    lost: tuple[Gap, ...] = ()
    quarantined: Mapping[str, str] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self, now: datetime) -> dict[str, object]:
        """Return the ``--json`` form, with ages in seconds at ``now``."""
        ages = {name: _age(getattr(self, name), now) for name in ("saved", "copied", "proven", "unread", "stream")}
        lag = None if self.saved is None or self.copied is None else (self.saved - self.copied).total_seconds()
        return {
            **{f"{name}_age_s": age for name, age in ages.items()},
            "copy_lag_s": lag,
            "offline_age_s": _age(self.offline, now),
            "last_proof": self.proof,
            "drilled_age_s": _age(self.drilled, now),
            "last_drill": self.drill,
            "rto_s": self.rto,
            "rpo_s": self.rpo,
            "lost": [gap.id for gap in self.lost],
            "quarantined": dict(self.quarantined),
            "held": list(self.held),
            "failures": dict(self.failures),
        }


def stand(role: Role, lines: Sequence[Line], found: Found | None = None) -> Standing:
    """Given a ledger and, at the DR site, what lies there, return how things stand."""
    tried, drill = last(lines, "proof"), last(lines, "drill")
    base = Standing(
        role,
        saved=_newest(line.facts["as_of"] for line in lines if line.kind == "snapshot"),
        copied=_newest(line.facts["as_of"] for line in lines if line.kind == "copy"),
        proof=tried.facts["result"] if tried else "none",
        offline=_newest(line.at.isoformat() for line in lines if line.kind == "offline"),
        drilled=_newest(line.at.isoformat() for line in lines if _drilled_well(line)),
        drill=drill.facts["result"] if drill else "none",
        held=tuple(line.facts["why"] for line in brake.holds(lines)),
        failures=failures(lines),
    )
    proven = _with_proof(base, lines)
    return proven if found is None else _with_copies(proven, lines, found)


def _drilled_well(line: Line) -> bool:
    return line.kind == "drill" and line.facts["result"] == "passed"


def _with_proof(base: Standing, lines: Sequence[Line]) -> Standing:
    passed = last([line for line in lines if line.kind == "proof" and line.facts["result"] == "passed"], "proof")
    if passed is None:
        return base
    rto, rpo = (float(passed.facts[name]) if name in passed.facts else None for name in ("rto", "rpo"))
    data = datetime.fromisoformat(passed.facts["as_of"])
    return replace(base, proven=passed.at, proven_data=data, rto=rto, rpo=rpo)


def _with_copies(base: Standing, lines: Sequence[Line], found: Found) -> Standing:
    there = [one for one in arrivals.read(lines) if one.id in found.present]
    data = _newest(one.as_of.isoformat() for one in there if not one.quarantine)
    return replace(
        base,
        # What was saved elsewhere since is not known here.
        saved=data,
        copied=data,
        lost=gaps(lines, [one.source for one in there]),
        quarantined={one.source: one.quarantine for one in there if one.quarantine},
        unread=found.unread,
        stream=found.stream,
    )


def failures(lines: Sequence[Line]) -> Mapping[str, str]:
    """Return why, by verb, jobs failed that no success of the same verb has followed."""
    found: dict[str, str] = {}
    for line in lines:
        if line.kind == "failure":
            found[line.facts["verb"]] = line.facts["what"]
        elif line.kind == "success":
            found.pop(line.facts["verb"], None)
        elif line.facts.get("result") != "failed":
            found.pop(_DONE.get(line.kind, ""), None)
    return found


def judge(duty: Duty, standing: Standing, now: datetime, where: str) -> tuple[NetdrError, ...]:
    """Return everything about a standing that breaks the asset's promise, nothing if it is kept."""
    return (*_ages(duty, standing, now, where), *_troubles(duty, standing, where))


def _ages(duty: Duty, standing: Standing, now: datetime, where: str) -> list[NetdrError]:
    name, promise = duty.asset.id, duty.protection
    limits: list[tuple[str, datetime | None, int, str]] = [("copy", standing.copied, promise.rpo, "copy")]
    if duty.role == "home":
        limits.insert(0, ("backup", standing.saved, promise.rpo, "run"))
    else:
        limits.append(("proof", standing.proven, promise.proof.every, "verify"))
    problems: list[NetdrError] = []
    for noun, moment, limit, verb in limits:
        what, hint = f"the newest {noun} of {name}", f"netdr backup {verb} {name}"
        age = _age(moment, now)
        if age is None:
            problems.append(BackupError(f"{what} does not exist", where=where, hint=hint))
        elif age > limit:
            why = f"the promise is {limit} s"
            problems.append(BackupError(f"{what} is {age:.0f} s old", where=where, why=why, hint=hint))
    every, drilled = promise.drill.every if promise.drill else 0, _age(standing.drilled, now)
    # That there never was a drill is an alert after a day; a district that is being set up has broken nothing.
    if every and drilled is not None and drilled > every + DRILL_GRACE:
        why = f"the promise is {every} s"
        what = f"the recovery of {name} was last drilled {drilled:.0f} s ago"
        problems.append(BackupError(what, where=where, why=why, hint=f"netdr dr drill {name}"))
    unread = _age(standing.unread, now)
    if unread is not None and unread > promise.proof.read_within:
        why = f"the promise is {promise.proof.read_within} s"
        what = f"bytes of {name} were last read {unread:.0f} s ago"
        problems.append(BackupError(what, where=where, why=why, hint=f"netdr backup verify {name} --level v1"))
    return problems


def _troubles(duty: Duty, standing: Standing, where: str) -> list[NetdrError]:
    name = duty.asset.id
    problems: list[NetdrError] = [gap.error(where) for gap in standing.lost]
    if duty.role == "standby" and standing.proof == "failed":
        problems.append(ProofError(f"the last proof of {name} failed", where=where, hint=f"netdr backup verify {name}"))
    if duty.role == "standby" and standing.drill == "failed":
        hint = f"netdr dr drill {name} says where it stops"
        problems.append(ProofError(f"in the last drill {name} did not come back", where=where, hint=hint))
    hint = f"netdr backup list {name}"
    problems += [
        BackupError(f"snapshot {source[:8]} of {name} is quarantined", where=where, why=why, hint=hint)
        for source, why in standing.quarantined.items()
    ]
    hint = f"look at what changed; if it was meant: netdr backup release {name} --by NAME --why WORDS"
    problems += [BackupError(f"the brake of {name} is on", where=where, why=why, hint=hint) for why in standing.held]
    problems += [
        BackupError(f"the last {verb} of {name} failed", where=where, why=why, hint=f"netdr backup {verb} {name}")
        for verb, why in standing.failures.items()
    ]
    return problems


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round((now - moment).total_seconds(), 3)


def _newest(moments: Iterable[str]) -> datetime | None:
    return max((datetime.fromisoformat(moment) for moment in moments), default=None)
