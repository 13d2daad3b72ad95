"""A host's backups as Prometheus text (exposition format 0.0.4), for a textfile collector or an own endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backup.status import Standing

_FAMILIES = (
    ("netdr_backup_age_seconds", "Age of the data in the newest backup this host knows.", "saved"),
    ("netdr_backup_copy_age_seconds", "Age of the data in the newest copy at the DR site.", "copied"),
    ("netdr_backup_proof_age_seconds", "Time since a restore was last proven.", "proven"),
)


def text(standings: Mapping[tuple[str, str], Standing], promises: Mapping[str, int], broken: frozenset[str]) -> str:
    """Return the metrics of a host.

    ``standings`` by (service, role); a service without one has no sample, so that an alert on absence fires.
    ``promises``: RPO in seconds by service. ``broken``: services whose standing could not be found out.
    """
    lines = [line for family in _FAMILIES for line in _ages(family, standings)]
    lines += _family("netdr_backup_proof_ok", "1 if the last proof passed.")
    for (service, role), standing in standings.items():
        if role == "standby":
            lines.append(_sample("netdr_backup_proof_ok", service, role, int(standing.proof == "passed")))
    lines += _family("netdr_backup_job_failed", "1 if the last job failed or its result cannot be read.")
    for (service, role), standing in standings.items():
        failed = bool(standing.failure or standing.lost)
        lines.append(_sample("netdr_backup_job_failed", service, role, int(failed)))
    lines += [_sample("netdr_backup_job_failed", service, "unknown", 1) for service in sorted(broken)]
    lines += _family("netdr_backup_rpo_seconds", "How much may be lost.")
    lines += [f'netdr_backup_rpo_seconds{{service="{service}"}} {rpo}' for service, rpo in promises.items()]
    return "\n".join(lines) + "\n"


def _ages(family: tuple[str, str, str], standings: Mapping[tuple[str, str], Standing]) -> Iterator[str]:
    name, words, field = family
    yield from _family(name, words)
    for (service, role), standing in standings.items():
        age = getattr(standing, field)
        if age is not None:
            yield _sample(name, service, role, age)


def _family(name: str, words: str) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} gauge"]


def _sample(name: str, service: str, role: str, value: float) -> str:
    return f'{name}{{service="{service}",role="{role}"}} {value}'
