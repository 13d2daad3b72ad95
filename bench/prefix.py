"""Unsafe prefixes of command lists, ours and hier_config's, on the same random pairs of configurations.

A command list brings a switch without an atomic commit from one configuration to another. After each of its commands
an independent judge (``judge.py``, on the simulated switch of ``switch.py``) looks whether something is violated that
holds before and after the whole change: the device can be managed, an applied filter neither lets through nor stops
what both configurations agree about, gateways are present, VLANs that stay are carried. Each prefix with a violation
counts.

hier_config is asked for its remediation through its own API with its own driver for the platform, in its own order.
Only the words that leave sections are added; they are counted for neither. ``--runs`` is the number of pairs per
dialect. Ours refuses a pair for which it finds no safe order: that is counted, and hier_config's list for it is judged
all the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from random import Random

from corpus import ADDRESS, SOURCE, pair
from hier_config import Platform, WorkflowRemediation, get_hconfig
from judge import Judge, Managed, Verdict
from measure import OURS, options
from words import WRITERS, uplinks

from netdr.kernel.errors import RefusedError
from nornir_tasks.patch.comware import COMWARE
from nornir_tasks.patch.dialect import Dialect
from nornir_tasks.patch.invariants import Management
from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.plan import commands
from nornir_tasks.patch.vrp import VRP

COMMAND = "./run bench prefix"
PEER = "hier_config"
DIALECTS = (IOS, VRP, COMWARE)
LEAVES = {dialect.leave for dialect in DIALECTS}
PLATFORMS = {"ios": Platform.CISCO_IOS, "vrp": Platform.HUAWEI_VRP, "comware": Platform.HP_COMWARE5}


@dataclass
class Count:
    """What came of one contestant's lists. ``pairs`` were judged; ``unsafe`` had an unsafe prefix."""

    pairs: int = 0
    prefixes: int = 0
    unsafe_prefixes: int = 0
    unsafe: int = 0
    astray: int = 0
    refused: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def add(self, said: Sequence[str], verdict: Verdict) -> None:
        """Count a judged list."""
        self.pairs += 1
        self.prefixes += sum(command not in LEAVES for command in said)
        self.unsafe_prefixes += len(verdict.unsafe)
        self.unsafe += bool(verdict.unsafe)
        self.astray += not verdict.arrived
        for kind in {wrong.partition(" ")[0].rstrip(":") for _, wrong in verdict.unsafe}:
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form of the details."""
        return {
            "pairs": self.pairs,
            "prefixes": self.prefixes,
            "pairs_with_unsafe_prefix": self.unsafe,
            "pairs_not_at_intended": self.astray,
            "pairs_refused": self.refused,
            "pairs_by_kind": self.kinds,
        }


@dataclass(frozen=True)
class Score:
    """Both contestants in one dialect."""

    dialect: str
    pairs: int
    ours: Count
    peer: Count

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        ours, peer = self.ours.unsafe_prefixes, self.peer.unsafe_prefixes
        return {
            "name": f"{self.dialect} vs {PEER}",
            "unit": "unsafe prefixes",
            "ours": ours,
            "peer": peer,
            "ratio": ours / peer if peer else None,
            "runs": self.pairs,
            "command": f"{COMMAND} --runs {self.pairs}",
            "details": {OURS: self.ours.as_dict(), PEER: self.peer.as_dict()},
        }


def ours(dialect: Dialect, running: str, intended: str) -> tuple[str, ...]:
    """Return our commands. Raise RefusedError if there is no safe order."""
    management = Management(IPv4Address(ADDRESS), (IPv4Network(SOURCE),), uplinks(dialect.name))
    return commands(dialect, running, intended, management)


def theirs(dialect: Dialect, running: str, intended: str) -> tuple[str, ...]:
    """Return hier_config's remediation in its order, with the words that leave sections."""
    platform = PLATFORMS[dialect.name]
    both = get_hconfig(platform, running), get_hconfig(platform, intended)
    return tuple(_left(WorkflowRemediation(*both).remediation_config, dialect.leave))


def _left(remediation: object, leave: str) -> Iterator[str]:
    """Yield a remediation's lines; ``leave`` as often as the next one stands farther out."""
    depth = 0
    for child in remediation.all_children_sorted():  # type: ignore[attr-defined]
        yield from [leave] * (depth - child.depth() + 1)
        depth = child.depth() if child.children else child.depth() - 1
        yield child.text
    yield from [leave] * depth


def compare(dialect: Dialect, pairs: int, tell: Callable[[int], None] = lambda _: None) -> Score:
    """Return both contestants' counts over the first so many pairs of the corpus."""
    score = Score(dialect.name, pairs, Count(), Count())
    for seed in range(pairs):
        tell(seed)
        old, new = pair(Random(seed), swaps=dialect.name == "ios")  # noqa: S311 - a corpus, reproducible
        running, intended = (WRITERS[dialect.name](intent) for intent in (old, new))
        judge = Judge(dialect, running, intended, Managed(ADDRESS, SOURCE, uplinks(dialect.name)))
        said = theirs(dialect, running, intended)
        score.peer.add(said, judge.judge(said))
        try:
            said = ours(dialect, running, intended)
        except RefusedError:
            score.ours.refused += 1
            continue
        score.ours.add(said, judge.judge(said))
    return score


def show(scores: Sequence[Score], *, as_json: bool) -> None:
    """Print a table for people, or one JSON object per dialect and line."""
    if as_json:
        for score in scores:
            print(json.dumps(score.as_dict()))
        return
    print(_row("", "pairs", "pairs", "all", "unsafe", "pairs with", "pairs not"))
    print(_row("dialect, contestant", "judged", "refused", "prefixes", "prefixes", "unsafe ones", "at intended"))
    for score in scores:
        for name, count in ((OURS, score.ours), (PEER, score.peer)):
            numbers = (count.pairs, count.refused, count.prefixes, count.unsafe_prefixes, count.unsafe, count.astray)
            print(_row(f"{score.dialect}, {name}", *numbers))
    print(f"\nreproduce: {COMMAND} --runs {scores[0].pairs}")


def _row(left: str, *cells: object) -> str:
    return f"{left:<21}" + "".join(f"{cell!s:>13}" for cell in cells)


def _progress(dialect: str, pairs: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % 20 == 0:
            sys.stderr.write(f"{dialect}: {done} of {pairs} pairs …\n")

    return tell


if __name__ == "__main__":
    asked = options(__doc__.partition("\n")[0], runs=200)
    show([compare(one, asked.runs, _progress(one.name, asked.runs)) for one in DIALECTS], as_json=asked.json)
