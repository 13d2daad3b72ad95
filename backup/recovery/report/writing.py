"""A report written down: JSON for programs, one HTML file for people, and the evidence of both."""

from __future__ import annotations

import json
from pathlib import Path

from backup.recovery.report.compare import earlier
from backup.recovery.report.judgement import judge
from backup.recovery.report.kept import keep
from backup.recovery.report.page import page
from backup.recovery.report.record import Report
from backup.repository import write_private
from inventory.network import Network
from netdr.kernel.errors import RecoveryError
from netdr.kernel.language import Language


def write(report: Report, network: Network, folder: Path, language: Language) -> Path:
    """Write RUN.json and RUN.html into ``folder`` and the evidence beside it; return the page's path.

    The evidence is kept in ``evidence/recovery`` next to the folder: in the state folder, if that is ``reports`` there.
    Raise RecoveryError if it cannot be written: what was recovered is no less so.
    """
    try:
        return _write(report, network, folder, language)
    except OSError as error:
        why, hint = str(error), "every step is in the journal all the same; make room, or put the folder right"
        raise RecoveryError("the report cannot be written", where=str(folder), why=why, hint=hint) from error


def _write(report: Report, network: Network, folder: Path, language: Language) -> Path:
    judgement = judge(report, network, earlier(folder, report))
    papers = {
        f"{report.run}.json": json.dumps(judgement.as_dict(), ensure_ascii=False, indent=2, default=str) + "\n",
        f"{report.run}.html": page(judgement, network, language),
    }
    for name, text in papers.items():
        write_private(folder / name, text)
    keep(folder.parent / "evidence" / "recovery", judgement, papers)
    return folder / f"{report.run}.html"
