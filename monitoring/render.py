"""Metrics as Prometheus' text exposition format 0.0.4, written by hand for one reason.

The client library appends ``_total`` to the name of every counter; existing dashboards and rules know ``ifHCInOctets``.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.decode import Family, Labels

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LABEL = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def render(families: Iterable[Family]) -> str:
    """Given metrics, return the text a scrape answers. A name must come once: each family is one block."""
    lines: list[str] = []
    written: dict[Labels, str] = {}
    for family in families:
        lines.append(f"# HELP {family.name} {family.help.translate(_HELP)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.samples:
            if labels not in written:
                written[labels] = _labels(labels)
            lines.append(f"{family.name}{written[labels]} {value}")
    return "\n".join(lines) + "\n" if lines else ""


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{text.translate(_LABEL)}"' for name, text in labels)
    return f"{{{pairs}}}"
