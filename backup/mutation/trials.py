"""Let the verifier find each damage: red, by the level that can see it, naming it; green again when it is undone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backup.duty import Duty
from backup.machine import Machine
from backup.mutation.rows import ROWS, Row
from backup.mutation.scratch import Scratch, scratch
from backup.proof import verify
from backup.proof.coverage import WHOLE
from backup.proof.verify import Scope
from backup.report import JobReport, Steps, perform
from inventory.asset import Level, Postgres, Service
from netdr.kernel.errors import NetdrError, Problems, ProofError

# Opening a repository keeps one core busy for half a second, several times in each trial.
AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a row. ``levels``: red or green, as far as the verifier went; ``words``: what it said.

    ``named``: whether it said which thing is damaged; ``again``: whether it was green when the damage was undone.
    ``applies``: whether there was anything to damage.
    """

    row: str
    levels: Mapping[str, str]
    words: str = ""
    named: bool = False
    again: bool = False
    applies: bool = True

    @property
    def caught(self) -> bool:
        """Whether the verifier did all it should."""
        return not self.applies or ("red" in self.levels.values() and self.named and self.again)

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {**dataclasses.asdict(self), "levels": dict(self.levels), "caught": self.caught}


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Damage a copy of an asset's repository in every way and return the fact ``rows``: what became of each.

    Raise Problems with every damage that was missed.
    """
    found = tried(machine, duty, steps)
    problems = missed(found)
    if problems:
        raise Problems(problems)
    return {"rows": [one.as_dict() for one in found]}


def tried(machine: Machine, duty: Duty, steps: Steps, rows: Sequence[Row] = ROWS) -> tuple[Trial, ...]:
    """Damage a copy of an asset's repository in these ways and return what became of each.

    Raise Problems if it is damaged already.
    """
    with steps.step("green before"), scratch(machine, duty) as copy:
        before = _verify(copy, "v2")
    if before.problems:
        raise Problems([ProofError("the copy is damaged already: nothing was tried"), *before.problems])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(pool.map(lambda row: _try(machine, duty, steps, row), rows))


def missed(found: Sequence[Trial]) -> tuple[NetdrError, ...]:
    """Return a problem for every damage that was not found, not named, or not gone when it was undone."""
    hint = "do not rely on proofs until this is mended"
    return tuple(
        ProofError(f"the verifier missed a damage: {one.row}", why=one.words or "everything stayed green", hint=hint)
        for one in found
        if not one.caught
    )


def _try(machine: Machine, duty: Duty, steps: Steps, row: Row) -> Trial:
    if row.depth >= "v3" and not _starts(duty):
        return Trial(row.name, {}, applies=False)
    with steps.step(row.name):
        with scratch(machine, duty) as copy:
            marks = row.damage(copy)
            if marks is None:
                return Trial(row.name, {}, applies=False)
            report = _verify(copy, row.depth)
            levels = _levels(copy, report, row.depth)
        words = "\n".join(problem.report() for problem in report.problems)
        # What the damaged copy is made from is still there: undone means made from it once more.
        with scratch(machine, duty) as copy:
            again = _verify(copy, "v2").ok
    return Trial(row.name, levels, _first(report), any(mark in words for mark in marks), again)


def _starts(duty: Duty) -> bool:
    return isinstance(duty.asset, Service) and any(isinstance(one, Postgres) for one in duty.asset.data)


def _verify(copy: Scratch, depth: Level) -> JobReport:
    scope = Scope(depth=depth, part=WHOLE)
    name, host = copy.duty.asset.id, copy.machine.book.host
    return perform(
        "verify", name, host, lambda _line: None, lambda own: verify.run(copy.machine, copy.duty, own, scope)
    )


def _levels(copy: Scratch, report: JobReport, depth: Level) -> Mapping[str, str]:
    """Return which levels were passed, as the evidence has it, and which were not."""
    (kept,) = copy.machine.layout.evidence(copy.duty.asset.id).iterdir()
    passed = json.loads(kept.read_text(encoding="utf-8"))["levels"]
    reached = ["v1", "v2", *(["v3"] if depth >= "v3" and {"v1", "v2"} <= passed.keys() else [])]
    colours = {level: "green" if level in passed else "red" for level in reached}
    # What is wrong with the list of snapshots, or the ledger, is nothing of one level's.
    return colours if "red" in colours.values() or report.ok else {**colours, "v1": "red"}


def _first(report: JobReport) -> str:
    # Where is always in the copy.
    words = (": ".join(part for part in (problem.what, problem.why) if part) for problem in report.problems)
    return "; ".join(word.partition("\n")[0] for word in words)
