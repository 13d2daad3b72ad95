"""What a controller's watch remembers, as a file: for a watch that is started again, and for who asks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup.guard import clock
from backup.guard.decide import NEVER, Right, Sight
from backup.guard.watch import View
from backup.repository import write_private

FILE, CONFIRMED, JOURNAL = "guard.json", "guard-confirmed.json", "journal/guard.jsonl"


def save(state: Path, view: View, epoch: int) -> None:
    """Write down what a watch knows, with what an operator wants to see of the hosts."""
    had = None if view.right.had == NEVER else view.right.had
    value = {
        "boot": clock.boot(),
        "epoch": epoch,
        "right": {**asdict(view.right), "had": had},
        "sight": view.sight and asdict(view.sight),
        "known": dict(view.known),
        "waits": {node: round(wait, 1) for node, wait in view.waits.items()},
        "hosts": {host: _shown(view, host) for host in view.heard},
        "problems": view.problems,
    }
    write_private(state / FILE, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _shown(view: View, host: str) -> Mapping[str, object]:
    standing = view.heard[host].standing
    held = standing.held
    told = {"epoch": held.epoch, "confirmed": held.confirmed, "carried_out": standing.acked}
    return {**told, "may_serve": standing.may, "runs": standing.running, "fenced": standing.shut}


def load(state: Path) -> View | None:
    """Return what the watch knew when it last looked, None if it has not since this machine booted.

    What the hosts said is not a part of it: they are asked again before anything is confirmed.
    """
    try:
        value: dict[str, Any] = json.loads((state / FILE).read_text(encoding="utf-8"))
        if value["boot"] != clock.boot():
            return None
        right = Right(**value["right"])
        right = Right(right.entitled, right.in_step, NEVER if right.had is None else right.had)
        sight = Sight(**value["sight"]) if value["sight"] else None
        return View(right, sight, value["known"], waits=value["waits"])
    except (OSError, ValueError, TypeError, LookupError):
        return None


def used(state: Path) -> bool:
    """Return whether a watch has ever looked: then the hosts have guards."""
    return (state / FILE).exists()


def confirm(state: Path, epoch: int, who: str) -> None:
    """Write down, and into the journal, that a person has said that ``epoch`` is the newest."""
    entry = {"at": datetime.now(UTC).isoformat(), "who": who, "confirmed": epoch, "boot": clock.boot()}
    path = state / JOURNAL
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    write_private(state / CONFIRMED, json.dumps(entry, ensure_ascii=False) + "\n")


def confirmed(state: Path, epoch: int) -> bool:
    """Return whether a person has confirmed ``epoch`` since this machine booted and the watch last asked."""
    path = state / CONFIRMED
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return bool(entry["confirmed"] == epoch and entry["boot"] == clock.boot())
    except (OSError, ValueError, TypeError, LookupError):
        return False
