"""Which snapshot a recovery goes back to, of those that ``netdr backup list`` tells of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from netdr.kernel.errors import RecoveryError

Row = Mapping[str, object]


def last_good(rows: Iterable[Row], service: str) -> Row:
    """Return the newest snapshot whose restore was proven and that nothing speaks against.

    Rows have ``as_of`` (ISO 8601), ``proof`` and ``doubt``. Raise RecoveryError if there is none.
    """
    good = [row for row in rows if row["proof"] == "passed" and not row.get("doubt")]
    hint = f"netdr backup list {service}; prove one that is older: netdr backup verify {service} --snapshot ID"
    return _newest(good, f"no snapshot of {service} is proven and free of doubt", hint)


def last_before(rows: Iterable[Row], service: str, moment: datetime) -> Row:
    """Return the newest snapshot of data up to a moment. Raise RecoveryError if there is none."""
    up_to = [row for row in rows if _moment(row) <= moment]
    hint = f"netdr backup list {service} shows the moments there are"
    return _newest(up_to, f"no snapshot of {service} is as old as {moment.isoformat()}", hint)


def _newest(rows: list[Row], what: str, hint: str) -> Row:
    if not rows:
        raise RecoveryError(what, hint=hint)
    return max(rows, key=_moment)


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(str(row["as_of"]))
