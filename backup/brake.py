"""The ransomware brake: what changed between two snapshots at the DR site, whether that is a normal day, and holds.

While a hold is open, nothing is forgotten; a person opens the way again with ``release``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.manifest import Entry, Manifest
from backup.report import Steps
from inventory.asset import Brake, DataSource, Files
from netdr.kernel.errors import BackupError, UsageError

CANARY = "netdr-canary.txt"
_WORDS = """\
Nobody needs this file, so nobody has a reason to change or delete it. netdr watches it: if it changes, old backups
are kept until a person has looked.
此文件无人使用，请勿修改或删除。netdr 监视此文件：一旦变化，旧备份将保留，待人工确认。
"""
# Below these, shares say nothing: a few files, a few bytes.
FEW, SMALL = 10, 1 << 16
# How many judgements make up what is usual.
RECENT = 30
# Below these the names of files mean nothing: a dump's and a time series database's are new from time to time.
_UNNAMED = ("postgresql/", "prometheus/")


@dataclass(frozen=True, slots=True)
class Signs:
    """What happened between two snapshots. Shares are of the former one's files, or bytes where names mean nothing.

    ``packed``: what new data takes in the repository, as a share of its size; None if there is too little to tell.
    ``canaries``: canary files that were changed or deleted.
    """

    changed: float
    deleted: float
    packed: float | None
    canaries: tuple[str, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return what the ledger keeps of it."""
        packed = "" if self.packed is None else f"{self.packed:.3f}"
        shares = {"changed": f"{self.changed:.3f}", "deleted": f"{self.deleted:.3f}", "packed": packed}
        return {**shares, "canaries": "\n".join(self.canaries)}


def of(line: Line) -> Signs:
    """Return the signs that a line of kind ``judged`` holds."""
    facts = line.facts
    packed = float(facts["packed"]) if facts["packed"] else None
    return Signs(float(facts["changed"]), float(facts["deleted"]), packed, tuple(facts["canaries"].splitlines()))


def compare(before: Manifest | None, after: Manifest, packed: float | None) -> Signs:
    """Return what happened from one manifest to the next; for the first one, nothing but how it is packed."""
    if before is None:
        return Signs(0, 0, packed)
    old, new = _files(before), _files(after)
    kept = {entry.digest for entry in new.values()}
    named = [path for path in old if not path.startswith(_UNNAMED)]
    gone = [path for path in named if path not in new and old[path].digest not in kept]
    changed = [path for path in named if path in new and new[path].digest != old[path].digest]
    unnamed = [entry for path, entry in old.items() if path.startswith(_UNNAMED)]
    rewritten = [entry for entry in unnamed if entry.digest not in kept]
    deleted = max(
        _share(len(gone), len(named)) if len(gone) >= FEW or len(gone) == len(named) else 0, _shrunk(old, new)
    )
    canaries = [p for p in old if p.rpartition("/")[2] == CANARY and (p not in new or new[p].digest != old[p].digest)]
    return Signs(_share(len(changed) + len(rewritten), len(old)), deleted, packed, tuple(canaries))


def judge(signs: Signs, usual: Sequence[Signs], rule: Brake) -> tuple[str, ...]:
    """Return why these signs look like ransomware, nothing if they do not. ``usual``: those of former snapshots.

    Many changed files count only together with data that compresses worse than usual; where it never compressed, they
    count alone, unless many changed files are usual too.
    """
    reasons = [f"the canary {path} was changed or deleted" for path in signs.canaries]
    if signs.deleted >= rule.deleted:
        reasons.append(f"{signs.deleted:.0%} of what there was is gone")
    if signs.changed >= rule.changed:
        reasons += _repacked(signs, usual[-RECENT:], rule)
    return tuple(reasons)


def packing(stored: int, plain: int) -> float | None:
    """Return which share of its size data takes in a repository, None if there is too little of it to tell."""
    return round(stored / plain, 3) if plain >= SMALL else None


def holds(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return the holds of a ledger that nobody has released."""
    known = tuple(lines)
    released = {number for line in known if line.kind == "release" for number in line.facts.get("holds", "").split()}
    return tuple(line for line in known if line.kind == "hold" and str(line.number) not in released)


def pins(lines: Iterable[Line]) -> Mapping[str, str]:
    """Return the ids that open holds pin, each with why: the last ones before something looked wrong."""
    return {line.facts["pins"]: f"the last before hold {line.number}" for line in holds(lines) if line.facts["pins"]}


def suspect(lines: Iterable[Line], ids: Sequence[str]) -> Mapping[str, str]:
    """Given ids of snapshots, oldest first, return why those are in doubt that open holds are about, or that follow."""
    found: dict[str, str] = {}
    for hold in holds(lines):
        start = ids.index(hold.facts["snapshot"]) if hold.facts["snapshot"] in ids else len(ids)
        found |= dict.fromkeys(ids[start:], f"hold {hold.number}: {hold.facts['why']}")
    return found


def plant(data: Sequence[DataSource]) -> tuple[Path, ...]:
    """Put a canary file into every directory tree of an asset that has none, and return those that were put there."""
    planted = []
    for one in data:
        path = Path(one.path) / CANARY if isinstance(one, Files) else None
        if path and path.parent.is_dir() and not os.path.lexists(path):
            path.write_text(_WORDS, encoding="utf-8")
            owner = path.parent.stat()
            shutil.chown(path, owner.st_uid, owner.st_gid)
            path.chmod(0o644)
            planted.append(path)
    return tuple(planted)


@dataclass(frozen=True, slots=True)
class Release:
    """Who lets go, and why. Of all open holds, or of ``snapshot``'s quarantine, or of the notes on a host's ledger."""

    by: str
    why: str
    snapshot: str = ""
    ledger: str = ""


def release(machine: Machine, duty: Duty, steps: Steps, let: Release) -> Mapping[str, object]:
    """Write a release into the ledger and return its facts. Raise UsageError without a name and a reason.

    Raise BackupError if there is nothing to release.
    """
    if not let.by.strip() or not let.why.strip():
        raise UsageError("a release needs a person's name and a reason", hint="--by NAME --why WORDS")
    ledger = machine.ledger(duty.asset.id)
    with steps.step("release"):
        what = _released(ledger.lines(), let, machine.book.host)
        line = ledger.add("release", machine.clock(), {"by": let.by.strip(), "why": let.why.strip(), **what})
    return dict(line.facts)


def _released(lines: Sequence[Line], let: Release, where: str) -> dict[str, str]:
    if let.ledger:
        if not any(line.kind == "anchor" and line.facts["host"] == let.ledger for line in lines):
            raise BackupError(f"nothing is noted of a ledger of '{let.ledger}'", where=where)
        return {"ledger": let.ledger}
    if let.snapshot:
        found = [
            line.facts["source"]
            for line in lines
            if line.kind == "arrival"
            and line.facts["quarantine"]
            and (line.facts["id"].startswith(let.snapshot) or line.facts["source"].startswith(let.snapshot))
        ]
        if len(found) != 1:
            hint = "see netdr backup list; more digits say which"
            what = f"{len(found)} quarantined snapshots begin with '{let.snapshot}'"
            raise BackupError(what, where=where, hint=hint)
        return {"snapshot": found[0]}
    if not holds(lines):
        raise BackupError("there is no open hold", where=where, hint="see netdr backup status")
    return {"holds": " ".join(str(line.number) for line in holds(lines))}


def _repacked(signs: Signs, usual: Sequence[Signs], rule: Brake) -> list[str]:
    packings = [one.packed for one in usual if one.packed is not None]
    if signs.packed is None or not packings:
        return []
    before = median(packings)
    words = f"{signs.changed:.0%} of the files changed"
    if signs.packed >= before * rule.packed:
        return [f"{words} and new data takes {signs.packed:.2f} of its size, {before:.2f} before"]
    blind = before * rule.packed > 1
    if blind and median(one.changed for one in usual) < rule.changed:
        return [f"{words}, and data that never compressed cannot tell whether it is encrypted now"]
    return []


def _files(made: Manifest) -> dict[str, Entry]:
    return {entry.path: entry for entry in made.entries if entry.kind == "file" and "/" in entry.path}


def _shrunk(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> float:
    before, after = (
        sum(entry.size for path, entry in files.items() if path.startswith(_UNNAMED)) for files in (old, new)
    )
    return _share(max(0, before - after), before) if before >= SMALL else 0


def _share(part: float, whole: float) -> float:
    return round(part / whole, 3) if whole else 0
