"""What every bench shares: ours and the peers on the same work, interleaved, and the ratio with its spread."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OURS = "netdr"
Work = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of a bench: what every run of ours and of the peer's took; the same place is the same round.

    Seconds, unless ``unit`` says otherwise. ``peer`` is empty for a figure that is held against a limit.
    """

    name: str
    command: str
    ours: tuple[float, ...]
    peer: tuple[float, ...]
    unit: str = "s"

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours divided by the peer's, round by round: below 1 we are faster."""
        return tuple(one / other for one, other in zip(self.ours, self.peer, strict=True))

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form: medians, our worst, and the spread of the ratios if there is a peer."""
        own = {
            "name": self.name,
            "unit": self.unit,
            "ours": round(statistics.median(self.ours), 3),
            "worst": round(max(self.ours), 3),
            "runs": len(self.ours),
            "command": self.command,
        }
        if not self.peer:
            return own
        ratios = self.ratios
        return {
            **own,
            "peer": round(statistics.median(self.peer), 3),
            "ratio": {
                "median": round(statistics.median(ratios), 4),
                "min": round(min(ratios), 4),
                "max": round(max(ratios), 4),
            },
        }

    def row(self) -> str:
        """Return the line of the table for people."""
        if not self.peer:
            ours, worst = statistics.median(self.ours), max(self.ours)
            return f"{self.name:<46} {ours:>9.3f} {'-':>9} {'worst':>7}  {worst:>6.3f}   {'':<6} {len(self.ours):>4}"
        ratios = self.ratios
        spread = f"{statistics.median(ratios):>7.3f}  {min(ratios):>6.3f} – {max(ratios):<6.3f}"
        ours, peer = statistics.median(self.ours), statistics.median(self.peer)
        return f"{self.name:<46} {ours:>9.3f} {peer:>9.3f} {spread} {len(ratios):>4}"


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def interleaved(works: Mapping[str, Work], runs: int) -> Mapping[str, tuple[float, ...]]:
    """Run all works in turn, ``runs`` rounds of them, and return the seconds each work says it took, by its name.

    Whatever else the machine does meets all of them; each round begins with the next one, so that none always comes
    after the same other.
    """
    names, seconds = list(works), dict[str, list[float]]({name: [] for name in works})
    for number in range(runs):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(works[name]())
    return {name: tuple(found) for name, found in seconds.items()}


def comparisons(work: str, command: str, seconds: Mapping[str, tuple[float, ...]]) -> list[Comparison]:
    """Return ours against each peer, named by the work and the peer, from what ``interleaved`` gave."""
    peers = [name for name in seconds if name != OURS]
    return [Comparison(f"{work} vs {peer}", command, seconds[OURS], seconds[peer]) for peer in peers]


def show(found: Sequence[Comparison], *, as_json: bool) -> None:
    """Print a table for people, or one JSON object per comparison and line."""
    if as_json:
        for one in found:
            print(json.dumps(one.as_dict()))
        return
    print(f"{'work':<46} {'ours, s':>9} {'peer, s':>9} {'ratio':>7}  {'min':>6} – {'max':<6} runs")
    for one in found:
        print(one.row())
    for command in dict.fromkeys(one.command for one in found):
        print(f"\nreproduce: {command}")


def options(title: str, runs: int, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a command line (the program's own unless given): ``runs``, at least 1, and ``json``."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--json", action="store_true", help="one JSON object per comparison")
    parser.add_argument("--runs", type=_count, default=runs, metavar="N", help="rounds (default: %(default)s)")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
