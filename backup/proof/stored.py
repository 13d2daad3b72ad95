"""Level 1: the bytes of a repository are what was written. restic checks its structure and reads a part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from backup.duty import Duty
from backup.machine import Machine
from backup.proof import coverage, objects
from backup.proof.coverage import Part
from backup.restic import Reason, Repository, ResticError
from netdr.kernel.errors import ProofError

# Seconds: 878 MB were read in 2 to 4 s; a disk of 100 MB/s reads 2 TB in this time.
LIMIT = 6 * 3600.0
# restic names packs and snapshots by 64 hexadecimal digits.
_NAMED = re.compile(r"[0-9a-f]{64}")
# Failures behind which damaged bytes may be.
_DAMAGE = frozenset({Reason.DAMAGED, Reason.UNKNOWN, Reason.WRONG_PASSWORD, Reason.NO_REPOSITORY, Reason.NO_SNAPSHOT})
# A repository that changes while it is checked looks damaged: how often to look again.
_TRIES = 3
# How many lines or files a message names.
_SHOWN = 10


def read(machine: Machine, duty: Duty, wanted: Part | None = None) -> Mapping[str, object]:
    """Check the structure of an asset's copy, read the part that is due and remember that in the ledger.

    ``wanted``: read that part instead. Return ``part``, ``packs`` and ``bytes`` (what was read) and
    ``oldest_unread_s``: how long ago the byte was read that was read longest ago, now. Raise ProofError, naming what
    is damaged; ResticError if the repository cannot be used for another reason.
    """
    name = duty.asset.id
    folder, ledger = machine.layout.repositories / name, machine.ledger(name)
    began = machine.clock()
    found = objects.packs(folder)
    part = wanted or coverage.next_part(found, ledger.lines(), duty.protection.proof, began)
    _check(machine, machine.layout.disk(name), folder, part)
    chosen = [pack for pack in found if part.takes(coverage.first_byte(pack.id))]
    size = sum(pack.size for pack in chosen)
    # The time at which reading began: what changed on the disk since then has not been seen.
    facts = {"part": str(part), "packs": str(len(chosen)), "bytes": str(size)}
    ledger.add("read", began, facts)
    left = coverage.oldest(found, ledger.lines(), machine.clock())
    return {"part": str(part), "packs": len(chosen), "bytes": size, "oldest_unread_s": round(left, 3)}


def oldest_unread(machine: Machine, duty: Duty) -> float:
    """Return how many seconds ago the byte of an asset's copy was read that was read longest ago; 0 if it is empty."""
    name = duty.asset.id
    found = objects.packs(machine.layout.repositories / name)
    return coverage.oldest(found, machine.ledger(name).lines(), machine.clock())


def _check(machine: Machine, repository: Repository, folder: Path, part: Part) -> None:
    # No lock: the home site's copies must not be refused meanwhile. So what is read may change; then look again.
    for attempt in range(_TRIES):
        before = objects.contents(folder)
        try:
            machine.plain_restic.check(repository, subset=str(part), limit=LIMIT)
        except ResticError as error:
            if objects.contents(folder) != before and attempt < _TRIES - 1:
                continue
            if error.reason not in _DAMAGE:
                raise
            raise _damaged(repository, folder, error) from error
        return


def _damaged(repository: Repository, folder: Path, error: ResticError) -> ProofError | ResticError:
    files = objects.damaged(folder)
    lines = list(dict.fromkeys(line.strip() for line in error.lines if _NAMED.search(line)))
    if not files and error.reason is not Reason.DAMAGED:
        return error
    words = "; ".join([*files[:_SHOWN], *(f"restic: {line}" for line in lines[:_SHOWN])])
    return ProofError(
        "the repository's bytes are not what was written",
        where=repository.label,
        why=words or error.why,
        hint="keep the damaged files, put them back from another copy of the repository, then verify again",
    )
