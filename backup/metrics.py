"""A host's backups as Prometheus text (exposition format 0.0.4): what the exporter hands on as ``/backup``.

Moments are Unix times, so that an age goes on growing while nobody asks. What never happened has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from backup.standing import Standing

Key = tuple[str, str]  # asset and role
Value = Callable[[Standing], float | None]

_MOMENTS = {
    "saved": "The moment that the newest backup this host knows describes.",
    "copied": "The moment that the newest copy at the DR site describes.",
    "proven": "When a restore was last proven.",
    "proven_data": "The moment that this proof's snapshot describes.",
    "unread": "Since when some byte of the copy is unread.",
    "stream": "All committed at home before this is at the DR site.",
    "offline": "When a disk to be carried away was last written.",
    "drilled": "When a drill of the service last went well.",
}
_VERBS = ("run", "copy", "verify", "tend", "stream", "prune", "mutate")


def _unix(moment: str) -> Value:
    """Return the Unix time of a moment of the standing, None while there is none."""

    def value(one: Standing) -> float | None:
        at: datetime | None = getattr(one, moment)
        return None if at is None else round(at.timestamp(), 3)

    return value


def _at_dr(value: Value) -> Value:
    """Return a figure that only the DR site has."""
    return lambda one: value(one) if one.role == "standby" else None


_FAMILIES: tuple[tuple[str, str, Value], ...] = (
    *((f"{name}_timestamp_seconds", words, _unix(name)) for name, words in _MOMENTS.items()),
    ("rto_measured_seconds", "How long the last proof took to restore, start and ask.", lambda one: one.rto),
    ("rpo_measured_seconds", "How old the newest heartbeat was in the last proof.", lambda one: one.rpo),
    ("proof_ok", "0 if the last proof failed.", _at_dr(lambda one: one.proof != "failed")),
    ("drill_ok", "0 if the last drill failed.", _at_dr(lambda one: one.drill != "failed")),
    ("snapshots_lost", "Snapshots in the ledger and not in the repository.", _at_dr(lambda one: len(one.lost))),
    ("snapshots_quarantined", "Snapshots that claim an impossible time.", _at_dr(lambda one: len(one.quarantined))),
    ("held", "1 while the brake is on: nothing is forgotten.", _at_dr(lambda one: bool(one.held))),
)


def text(standings: Mapping[Key, Standing], broken: Mapping[Key, str]) -> str:
    """Return the metrics of a host. ``broken``: assets whose standing cannot be found out, with the reason."""
    lines: list[str] = []
    for name, words, value in _FAMILIES:
        samples = ((key, value(standing)) for key, standing in standings.items())
        lines += [*_head(name, words), *(_sample(name, key, found) for key, found in samples if found is not None)]
    lines += _head("job_failed", "1 if the last job of that kind failed.")
    for key, standing in standings.items():
        verbs = dict.fromkeys((*_VERBS, *standing.failures))
        lines += [_sample("job_failed", key, verb in standing.failures, verb) for verb in verbs]
    lines += _head("ledger_broken", "1 if the ledger does not hold, or nobody can say how the asset stands.")
    lines += [_sample("ledger_broken", key, key in broken) for key in (*standings, *broken)]
    return "\n".join(lines) + "\n"


def _head(name: str, words: str) -> Iterator[str]:
    yield f"# HELP netdr_backup_{name} {words}"
    yield f"# TYPE netdr_backup_{name} gauge"


def _sample(name: str, key: Key, value: float, verb: str = "") -> str:
    asset, role = key
    more = f',verb="{verb}"' if verb else ""
    return f'netdr_backup_{name}{{asset="{asset}",role="{role}"{more}}} {float(value)}'
