"""The noun: one thing whose loss somebody would notice, with who would and the cheapest mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from inventory.entry import Name

Kind = Literal["link", "device", "host", "site", "copy", "pair", "key", "person", "drill"]
# outage: lost until it is mended. failover: lost until the services have been moved. exposed: nothing is lost at home,
# but once they have been moved because of a lost site, this is the only way. unsaved: data may be lost.
# unproven: nobody knows whether data comes back. blocked: a recovery may have to wait for somebody.
Effect = Literal["outage", "failover", "exposed", "unsaved", "unproven", "blocked"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)
# The kinds that are found by taking things out of the network.
TOPOLOGY: frozenset[Kind] = frozenset({"link", "device", "host", "site"})
# What is no service: worse than none of them, and no user of theirs notices at once.
NO_TIER = 4


@dataclass(frozen=True, slots=True)
class Told:
    """What was found, in a word (``rule``) and as a sentence, and the sentence that mends it."""

    rule: str
    what: Name
    mend: Name


@dataclass(frozen=True, slots=True)
class Risk:
    """One risk. ``units``: what each unit that is hit loses, by unit id; ``tier``: of the most important of that.

    ``lines`` are new lines, by the nodes at their ends, if they are the mend.
    ``rule`` says in a word what was found, and ``clause`` the assessor's clause that asks for better, if one does.
    ``own`` is the only unit that it can ever hit, as it is that unit's own switch or line.
    """

    kind: Kind
    subject: str
    effect: Effect
    rule: str
    tier: int
    units: Mapping[str, tuple[str, ...]]
    what: Name
    mend: Name
    lines: tuple[tuple[str, str], ...] = ()
    clause: str = ""
    own: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same risk in two states of an inventory."""
        return self.kind, self.subject, self.effect, self.rule

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Who is hit, as (unit, what it loses)."""
        return frozenset((unit, lost) for unit, all_lost in self.units.items() for lost in all_lost)

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "effect": self.effect,
            "rule": self.rule,
            "tier": self.tier if self.tier < NO_TIER else None,
            "units": {unit: list(lost) for unit, lost in self.units.items()},
            "what": self.what.model_dump(),
            "mend": self.mend.model_dump(),
            "lines": [list(ends) for ends in self.lines],
            "clause": self.clause,
        }


def rank(risk: Risk) -> tuple[int, int, int, str, str]:
    """Return what to sort by: the most important tier first, then the most units, then the worst effect."""
    return risk.tier, -len(risk.units), EFFECTS.index(risk.effect), risk.kind, risk.subject
