"""What one verb did for one service on one host, as the host says it and the controller reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from netdr.kernel import errors
from netdr.kernel.errors import BackupError, NetdrError, Problems

Progress = Callable[[str], None]
# Seconds: what took less is not worth a line.
_TOLD = 0.1

_KINDS: Mapping[str, type[NetdrError]] = {
    found.kind: found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, NetdrError)
}


@dataclass(frozen=True)
class JobReport:
    """The outcome for one service. ``steps``: seconds each; ``facts``: for programs; ``problems``: none if ok."""

    service: str
    host: str
    verb: str
    seconds: float
    steps: Mapping[str, float]
    facts: Mapping[str, object]
    problems: tuple[NetdrError, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it did all it should."""
        return not self.problems

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "service": self.service,
            "host": self.host,
            "verb": self.verb,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "steps": {name: round(seconds, 3) for name, seconds in self.steps.items()},
            "facts": dict(self.facts),
            "problems": [problem.as_dict() for problem in self.problems],
        }


@dataclass
class Steps:
    """Times the steps of one job and tells ``progress`` a line when one has ended."""

    service: str
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block as the step ``name``."""
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.progress(f"{self.service}: {name} … failed after {time.monotonic() - start:.1f} s")
            raise
        self.seconds[name] = time.monotonic() - start
        if self.seconds[name] >= _TOLD:
            self.progress(f"{self.service}: {name} … {self.seconds[name]:.1f} s")


def perform(
    verb: str, service: str, host: str, progress: Progress, act: Callable[[Steps], Mapping[str, object]]
) -> JobReport:
    """Run ``act`` and return its facts as a report. A NetdrError it raises becomes the report's problems."""
    steps = Steps(service, progress)
    start = time.monotonic()
    facts: Mapping[str, object] = {}
    problems: tuple[NetdrError, ...] = ()
    try:
        facts = act(steps)
    except Problems as error:
        problems = error.problems
    except NetdrError as error:
        problems = (error,)
    return JobReport(service, host, verb, time.monotonic() - start, steps.seconds, facts, problems)


def dump(reports: tuple[JobReport, ...]) -> str:
    """Return reports as the JSON that ``load`` reads."""
    return json.dumps({"reports": [report.as_dict() for report in reports]}, ensure_ascii=False, indent=2)


def load(text: str) -> tuple[JobReport, ...]:
    """Return the reports in ``text``. Raise what the host's netdr raised, BackupError if the text is not its JSON."""
    try:
        value = json.loads(text)
        if "reports" in value:
            return tuple(_report(one) for one in value["reports"])
        raise Problems(problem(one) for one in value["problems"])
    except (ValueError, TypeError, LookupError) as error:
        raise BackupError("the host's answer cannot be read", why=str(error)) from error


def _report(value: Mapping[str, object]) -> JobReport:
    problems = value["problems"]
    steps, facts = value["steps"], value["facts"]
    if not (isinstance(problems, list) and isinstance(steps, dict) and isinstance(facts, dict)):
        message = "not a report"
        raise TypeError(message)
    return JobReport(
        service=str(value["service"]),
        host=str(value["host"]),
        verb=str(value["verb"]),
        seconds=float(str(value["seconds"])),
        steps=steps,
        facts=facts,
        problems=tuple(problem(one) for one in problems),
    )


def problem(value: Mapping[str, str]) -> NetdrError:
    """Return the error that ``as_dict`` told of, of the same class."""
    kind = _KINDS.get(value["kind"], NetdrError)
    return kind(value["what"], where=value["where"], why=value["why"], hint=value["hint"])
