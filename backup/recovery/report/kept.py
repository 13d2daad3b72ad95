"""The evidence of recoveries: one file per run with its report and the hashes of all that it rests on, in a chain.

Each names the one before it with its hash, so that none can be taken away, changed or put in between without the next
one showing it. Whoever keeps the newest hash elsewhere holds them all. Nothing in it is secret.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any

import netdr
from backup.recovery.report.judgement import Judgement
from backup.repository import write_private
from netdr.kernel.errors import NetdrError, ProofError

FORMAT = 1


def keep(folder: Path, judgement: Judgement, papers: Mapping[str, str]) -> Path:
    """Write the evidence of a run below ``folder`` and return its path. ``papers``: what people read, by file name.

    A run that is resumed has one for each time that it stopped: what was kept once is never written again.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = (f"{judgement.report.run}{f'.{number}' if number > 1 else ''}.json" for number in count(1))
    path = next(folder / name for name in names if not (folder / name).exists())
    before = _in_order(folder)
    value = {
        "format": FORMAT,
        "run": judgement.report.run,
        "number": int(before[-1][1]["number"]) + 1 if before else 1,
        "before": {"evidence": before[-1][0].name, "sha256": digest(before[-1][0])} if before else None,
        "inputs": dict(judgement.inputs),
        "papers": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in papers.items()},
        "programs": {"netdr": netdr.__version__, "python": platform.python_version(), "linux": platform.release()},
        "report": judgement.as_dict(),
    }
    write_private(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str) + "\n")
    return path


def kept(folder: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the evidence of every run that can be read, the oldest first."""
    return tuple(value for _, value in _in_order(folder))


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def missing(folder: Path) -> tuple[NetdrError, ...]:
    """Return a problem for every evidence that cannot be read, and each that the next one names and that is not so."""
    return tuple(_missing(folder))


def _missing(folder: Path) -> Iterator[NetdrError]:
    hint = "find out who changed the folder; the DR copy of netdr's state may have it as it was"
    kept = dict(_in_order(folder))
    for path in sorted(set(folder.glob("*.json")) - set(kept)):
        yield ProofError("the evidence of a recovery cannot be read", where=str(path), hint=hint)
    for path, value in kept.items():
        before = value["before"]
        if before and not (folder / before["evidence"]).is_file():
            where, why = str(folder / before["evidence"]), f"{path.name} names it"
            yield ProofError("the evidence of a recovery is gone", where=where, why=why, hint=hint)
        elif before and digest(folder / before["evidence"]) != before["sha256"]:
            yield ProofError(
                "the evidence of a recovery was changed", where=str(folder / before["evidence"]), hint=hint
            )


def _in_order(folder: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return what can be read of the evidence, the newest last: a damaged file must not stop the next report."""
    found = []
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            value = json.loads(path.read_text(encoding="utf-8"))
            _ = value["before"], value["report"]["services"].items()
            found.append((int(value["number"]), path, value))
    return [(path, value) for _, path, value in sorted(found, key=itemgetter(0))]
