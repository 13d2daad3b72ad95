"""Sets of VLANs as devices write them: ``10,20-22`` or ``10 20 to 22``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

_ALL = range(1, 4095)
_ONE = re.compile(r"(\d+)(?:\s*(?:-|to)\s*(\d+))?")
_SET = re.compile(r"\d+((,| |-| to )\d+)*")


def members_of(form: str, command: str) -> frozenset[int] | None:
    """Return the VLANs that a command of this form names; None if it is not of this form."""
    found = _pattern(form).fullmatch(command)
    return read(found[1]) if found else None


def read(text: str) -> frozenset[int] | None:
    """Return a set of VLANs as written, also ``all`` and ``none``; None if it is not one."""
    if text in {"all", "none"}:
        return frozenset(_ALL if text == "all" else ())
    if not _SET.fullmatch(text):
        return None
    return frozenset(vlan for low, high in _ONE.findall(text) for vlan in range(int(low), int(high or low) + 1))


def written(vlans: Iterable[int], span: str) -> list[str]:
    """Return a set of VLANs as items; three or more in a row are one, its ends joined by ``span``."""
    runs: list[list[int]] = []
    for vlan in sorted(vlans):
        if runs and runs[-1][-1] == vlan - 1:
            runs[-1].append(vlan)
        else:
            runs.append([vlan])
    items = [[f"{run[0]}{span}{run[-1]}"] if len(run) > 2 else [str(vlan) for vlan in run] for run in runs]
    return [item for run in items for item in run]


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(re.escape(form).replace(r"\{\}", "(.+)"))
