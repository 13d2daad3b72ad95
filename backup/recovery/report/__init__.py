"""The report of a recovery or a drill: figures by phase, levels and clauses reached, findings, what was kept of it.

``figures`` makes the figures of what was done, ``Report`` is the record, ``write`` judges it and writes it down.
"""

from __future__ import annotations

from backup.recovery.report.figures import ServiceFigures, figures
from backup.recovery.report.record import Report
from backup.recovery.report.writing import write

__all__ = ["Report", "ServiceFigures", "figures", "write"]
