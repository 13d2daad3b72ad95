"""Every stage of a change × everything that can go wrong there: all devices old, or all new, in every cell.

The changes are of every device of a district in the lab, by the real engine on its controller; the faults are real acts
(``lab/faults``) that fall into the stage (``inside/change.py``). A change that has not ended by itself is finished by
``netdr deploy --resume`` or ``--abort``, from the same controller or the other one, or by the devices' own timers.
*seconds* is from the fault until every device has the same side and nothing waits there any more; while a device has no
power it has no side.

*one device fails* is the same in the example district: one of 41 devices fails after all have been changed.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from box import ROOT, Box, opened
from cell import KINDS, SHORT, STAGES, Cell, Field, Result, Way

from netdr.kernel.errors import NetdrError
from nornir_tasks.plan import Timers

COMMAND = "./run bench faults"
SMALL = ROOT / "tests/districts/linwu"
ONE = "one device fails"
# Where nothing is final yet, so that the devices' timers alone bring all of them back.
_ALL_ARMED = {"arm", "gate", "verify", "abort"}
_MARKS: dict[Way, str] = {"itself": "", "timers": " t", "resume": " r", "abort": " a"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What several cells come to."""

    name: str
    results: tuple[Result, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "name": self.name,
            "cells": len(self.results),
            "mixed": sum(result.end == "mixed" for result in self.results),
            "unknown": sum(result.end == "unknown" for result in self.results),
            "worst_consistent_s": max((result.seconds for result in self.results), default=0.0),
        }


def matrix() -> Iterator[Cell]:
    """Yield every cell, each with the way it is finished if it does not end by itself: all ways come up."""
    for number, kind in enumerate(KINDS.values()):
        for place, stage in enumerate(STAGES):
            by_timers = kind.ends_change and stage in _ALL_ARMED
            ways: tuple[Way, ...] = ("resume", "abort", "timers") if by_timers else ("resume", "abort")
            yield Cell(kind.name, stage, ways[(number + place) % len(ways)], number + place)


def rename(district: dict[str, Any]) -> None:
    """Give the district another name, which every device has in its configuration, as an edit of ``district.yaml``."""
    district["name"]["en"] = f"{district['name']['en']}, renamed"


def field(box: Box, timers: Timers = SHORT) -> Field:
    """Return the field between the district as it is and the same under another name."""
    return Field(box, (box.asked_for("as it is"), box.asked_for("renamed", rename)), timers)


def run(cells: Sequence[Cell]) -> list[Result]:
    """Run cells on the small district, one after the other, and tell each as it is done."""
    _say("bringing the small district up … ")
    with opened("faults", SMALL) as box:
        place = field(box)
        _say(f"{len(box.devices)} devices\n")
        results = []
        for number, cell in enumerate(cells, 1):
            _say(f"{number:>2}/{len(cells)} {cell} ({place.victim(cell)}) … ")
            results.append(_told(place.run(cell)))
        return results


def run_one_device() -> list[Result]:
    """Let one device of the example district fail, with its connection ended at once, and in silence."""
    _say("bringing the example district up … ")
    with opened("faults", ROOT / "inventory/suxian") as box:
        place = field(box, Timers())
        _say(f"{len(box.devices)} devices\n")
        results = []
        for fault in ("device rebooted", "device power lost"):
            cell = Cell(fault, "verify", "abort")
            _say(f"{fault} ({place.victim(cell)}), when all are armed … ")
            results.append(_told(place.run(cell)))
        return results


def _told(result: Result) -> Result:
    _say(f"all {result.end} after {result.seconds:.1f} s, by {result.way} ({result.said})\n")
    return result


def show(results: Sequence[Result], alone: Sequence[Result], *, as_json: bool) -> None:
    """Print one object per line for programs; for people a table of fault × stage, then the same figures."""
    groups = {kind: tuple(result for result in results if result.cell.fault == kind) for kind in KINDS}
    found = [Figures(name, group) for name, group in groups.items() if group]
    found += [Figures("all", tuple(results))] if results else []
    found += [Figures(f"{ONE} of 41", tuple(alone))] if alone else []
    if as_json:
        for one in found:
            print(json.dumps(one.as_dict()))
        return
    if results:
        _table(groups)
    print(f"\n{'':<24} {'cells':>6} {'mixed':>6} {'unknown':>8} {'worst, s':>9}")
    for one in found:
        name, cells, mixed, unknown, worst = one.as_dict().values()
        print(f"{name:<24} {cells:>6} {mixed:>6} {unknown:>8} {worst:>9}")
    print(f"\nreproduce: {COMMAND}")


def _table(groups: dict[str, tuple[Result, ...]]) -> None:
    print(f"{'':<24}" + "".join(f"{stage:>12}" for stage in STAGES))
    for fault, group in groups.items():
        by_stage = {result.cell.stage: f"{result.end} {result.seconds:.1f}{_MARKS[result.way]}" for result in group}
        if group:
            print(f"{fault:<24}" + "".join(f"{by_stage.get(stage, ''):>12}" for stage in STAGES))
    print("\nall devices old or new, seconds from the fault until so; finished by r --resume, a --abort, t the timers")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object per fault, and one for all")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="FAULT:STAGE",
        help=f"these cells; either may be empty: all. '{ONE}' is the example district's",
    )
    return parser.parse_args()


def chosen(only: Sequence[str] | None) -> tuple[list[Cell], bool]:
    """Return the cells that ``--only`` asks for, and whether the example district's are asked for too."""
    cells = list(matrix())
    if not only:
        return cells, True
    wanted = [cell for cell in cells if any(_is(cell, words) for words in only)]
    if not wanted and ONE not in only:
        raise SystemExit(f"bench: no such cell; faults: {', '.join(KINDS)}; stages: {', '.join(STAGES)}")
    return wanted, ONE in only


def _is(cell: Cell, words: str) -> bool:
    fault, _, stage = words.partition(":")
    return words != ONE and fault in {"", cell.fault} and stage in {"", cell.stage}


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    asked = _options()
    cells, one_device = chosen(asked.only)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        results = run(cells) if cells else []
        alone = run_one_device() if one_device else []
    except NetdrError as error:
        raise SystemExit(f"bench: {error.report()}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nbench: interrupted; the lab is removed") from None
    show(results, alone, as_json=asked.json)
