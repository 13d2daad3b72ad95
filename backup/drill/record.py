"""What a drill leaves behind: how each step went, as the host writes it down and the controller reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backup import report
from backup.recovery.plan import Step
from backup.recovery.run import Done
from inventory.entry import Name
from netdr.kernel.errors import BackupError, NetdrError, Problems

PASSED, FAILED = "passed", "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One service's drill. Seconds; None for what it did not come to. ``rto``: from the beginning to the answer."""

    passed: bool
    seconds: Mapping[str, float]
    rto: float | None
    rpo: float | None
    why: str

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        seconds = {f"{phase}_s": took for phase, took in self.seconds.items()}
        figures = {"rto_s": self.rto, "rpo_s": self.rpo}
        return {"result": PASSED if self.passed else FAILED, **seconds, **figures, "why": self.why}


def results(services: Sequence[str], began: float, steps: Sequence[Done]) -> Mapping[str, Result]:
    """Given what was done since ``began`` (Unix seconds), return the result of each service."""
    return {name: _result(name, began, [done for done in steps if done.step.service == name]) for name in services}


def _result(name: str, began: float, steps: Sequence[Done]) -> Result:
    by_id = {done.step.id: done for done in steps}
    verified = by_id.get(f"verify:{name}")
    failures = [done.failure for done in steps if done.failure]
    as_of = by_id[f"restore:{name}"].facts.get("as_of") if f"restore:{name}" in by_id else None
    passed = bool(verified and not failures)
    return Result(
        passed=passed,
        seconds={done.step.phase: round(done.ended - done.started, 3) for done in steps},
        rto=round(verified.ended - began, 3) if verified and passed else None,
        rpo=round(max(0.0, began - as_of), 3) if isinstance(as_of, float) else None,
        why="" if passed else str(failures[0]).partition("\n")[0] if failures else "not begun",
    )


def dump(steps: Sequence[Done]) -> list[dict[str, object]]:
    """Return steps as JSON values."""
    return [
        {
            "step": done.step.id,
            "title": done.step.title.model_dump(),
            "service": done.step.service,
            "does": done.step.does,
            "needs": list(done.step.needs),
            "phase": done.step.phase,
            "limit": done.step.limit,
            "started": done.started,
            "ended": done.ended,
            "facts": dict(done.facts),
            "failure": _plain(done.failure) if done.failure else None,
        }
        for done in steps
    ]


def _plain(failure: NetdrError) -> dict[str, str]:
    if not isinstance(failure, Problems):
        return failure.as_dict()
    first, *others = failure.problems
    more = f" (and {len(others)} more)" if others else ""
    return {**first.as_dict(), "what": first.what + more}


def load(value: Any) -> tuple[Done, ...]:  # noqa: ANN401 - whatever JSON gave
    """Return the steps that ``dump`` wrote. Raise BackupError if the value is not that."""
    try:
        return tuple(_done(one) for one in value)
    except (ValueError, TypeError, LookupError) as error:
        raise BackupError("the drill's record cannot be read", why=str(error)) from error


def _done(one: Mapping[str, Any]) -> Done:
    title = Name.model_validate(one["title"])
    step = Step(
        one["step"],
        title,
        tuple(one["needs"]),
        one["limit"],
        one["service"],
        phase=one["phase"],
        does=one["does"],
    )
    failure: NetdrError | None = report.problem(one["failure"]) if one["failure"] else None
    return Done(step, one["started"], one["ended"], one["facts"], failure)
