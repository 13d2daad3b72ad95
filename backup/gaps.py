"""Snapshots that a ledger knows and the repository does not have: what restic's own check never misses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from backup.ledger import Line
from netdr.kernel.errors import NetdrError, ProofError


@dataclass(frozen=True, slots=True)
class Gap:
    """A snapshot that should be there. ``id`` is its id at its source; ``as_of`` the moment it describes."""

    id: str
    as_of: str
    how: Literal["deleted", "skipped"]

    def error(self, where: str) -> NetdrError:
        """Return it as what the operator reads; ``where`` is the repository."""
        hints = {
            "deleted": "it had arrived: find out who can write to the repository's disk, then run copy at its home",
            "skipped": "a copy left it out: run copy at its home, then verify again",
        }
        what = f"snapshot {self.id[:8]} as of {self.as_of} is in the ledger and not in the repository"
        return ProofError(what, where=where, why=f"it was {self.how}", hint=hints[self.how])


def gaps(lines: Sequence[Line], present: Iterable[str]) -> tuple[Gap, ...]:
    """Given a host's ledger and the source ids in its repository, return what is missing, in the ledger's order.

    What retention has forgotten is not missing.
    """
    settled = set(present) | forgotten(lines)
    arrived = {line.facts["source"] for line in lines if line.kind == "arrival"}
    known = {
        line.facts["id"] if line.kind == "snapshot" else line.facts["source"]: line.facts["as_of"]
        for line in lines
        if line.kind in {"snapshot", "arrival"}
    }
    return tuple(
        Gap(source, as_of, "deleted" if source in arrived else "skipped")
        for source, as_of in known.items()
        if source not in settled
    )


def forgotten(lines: Iterable[Line]) -> set[str]:
    """Return the source ids that retention has forgotten, or was about to when it was stopped."""
    return {source for line in lines if line.kind == "prune" for source in line.facts["sources"].split()}
