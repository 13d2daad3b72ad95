"""What is kept of a proof: one file that says what was proven of which snapshot, when, how, and by which programs.

Its hash is in the ledger's line about the proof; the file names the ledger's line before that one. So neither can be
changed, or another put in its place, without the other showing it. Nothing in it is secret.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import netdr
from backup.ledger import Line
from backup.machine import Machine
from backup.postgres import VERSIONS, programs
from backup.repository import write_private
from inventory.asset import Level
from netdr.kernel.errors import NetdrError, ProofError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """One proof. ``levels``: what each level found, or its failure; ``steps``: seconds; ``subject``: the snapshot."""

    asset: str
    host: str
    depth: str
    result: str
    began: datetime
    ended: datetime
    subject: Mapping[str, str]
    levels: Mapping[Level, Mapping[str, object]]
    steps: Mapping[str, float]
    programs: Mapping[str, str]
    problems: Sequence[NetdrError]

    def dump(self, before: Line | None) -> str:
        """Return the bundle as JSON. ``before``: the ledger's last line when the proof ended."""
        value = {
            "format": FORMAT,
            "asset": self.asset,
            "host": self.host,
            "depth": self.depth,
            "result": self.result,
            "began": self.began.isoformat(),
            "ended": self.ended.isoformat(),
            "subject": dict(self.subject),
            "levels": {level: dict(found) for level, found in self.levels.items()},
            "steps": {name: round(seconds, 3) for name, seconds in self.steps.items()},
            "programs": dict(self.programs),
            "problems": [problem.as_dict() for problem in self.problems],
            "ledger": {"number": before.number, "hash": before.hash} if before else None,
        }
        return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def keep(folder: Path, bundle: Bundle, before: Line | None) -> Mapping[str, str]:
    """Write a bundle below ``folder`` and return what the ledger's line says of it: ``evidence`` and ``sha256``."""
    text = bundle.dump(before)
    snapshot = bundle.subject.get("snapshot", "")[:8] or "none"
    name = f"{bundle.began:%Y%m%dT%H%M%S.%fZ}-{snapshot}.json"
    write_private(folder / name, text)
    return {"evidence": name, "sha256": _digest(text.encode())}


def missing(folder: Path, lines: Sequence[Line]) -> tuple[NetdrError, ...]:
    """Return a problem for every bundle that a ledger speaks of and that is gone or has been changed."""
    return tuple(_missing(folder, lines))


def _missing(folder: Path, lines: Sequence[Line]) -> Iterator[NetdrError]:
    hint = "the ledger's line still says what was proven; find out who changed the folder"
    for line in lines:
        if line.kind != "proof" or "evidence" not in line.facts:
            continue
        path = folder / line.facts["evidence"]
        if not path.is_file():
            yield ProofError("the evidence of a proof is gone", where=str(path), why=f"line {line.number}", hint=hint)
        elif _digest(path.read_bytes()) != line.facts["sha256"]:
            yield ProofError(
                "the evidence of a proof was changed", where=str(path), why=f"line {line.number}", hint=hint
            )


def used(machine: Machine) -> Mapping[str, str]:
    """Return the versions of the programs that prove something on this host, by name; those that are not there not."""
    found = {"netdr": netdr.__version__, "python": platform.python_version(), "linux": platform.release()}
    found["restic"] = ".".join(map(str, machine.plain_restic.version))
    if VERSIONS.is_dir():
        found["postgresql"] = programs(VERSIONS).parent.name
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
