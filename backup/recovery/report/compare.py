"""The last run of the same scenario, read from its report, to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backup.recovery.report.record import Report


@dataclass(frozen=True, slots=True)
class Earlier:
    """A former run: Unix time of its loss, seconds by service, None where nothing was restored."""

    run: str
    lost_at: float
    rto: Mapping[str, float]
    rpo: Mapping[str, float | None]

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {"run": self.run, "rto_s": dict(self.rto), "rpo_s": dict(self.rpo)}


def earlier(folder: Path, report: Report) -> Earlier | None:
    """Return the newest report in a folder that is older than this one and of the same scenario, None if there is none.

    A file that is no report of ours is passed over: it must not keep a new one from being written.
    """
    found: list[Earlier] = []
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["scenario"] == report.scenario and value["run"] != report.run:
                rows = value["services"]
                rto = {name: float(row["rto_s"]) for name, row in rows.items()}
                rpo = {name: row["rpo_s"] for name, row in rows.items()}
                found.append(Earlier(value["run"], float(value["lost_at"]), rto, rpo))
    older = [one for one in found if one.lost_at < report.lost_at]
    return max(older, key=lambda one: one.lost_at, default=None)
