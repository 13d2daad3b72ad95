"""A report and all that is made of it: levels, clauses, findings, the comparison with the last run. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from backup.recovery.report.checks import Evidence, Row, rows
from backup.recovery.report.compare import Earlier
from backup.recovery.report.findings import Finding, findings
from backup.recovery.report.rating import Rating, rate
from backup.recovery.report.record import Report
from backup.recovery.report.standard import clauses, editions
from inventory.network import Network


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run was worth. ``ratings``: by service, one per edition. ``inputs``: SHA-256 of what it was run with."""

    report: Report
    ratings: Mapping[str, tuple[Rating, ...]]
    clauses: tuple[Row, ...]
    findings: tuple[Finding, ...]
    earlier: Earlier | None
    inputs: Mapping[str, str]

    def as_dict(self) -> dict[str, object]:
        """Return the report's ``--json`` form with what was made of it."""
        return {
            **self.report.as_dict(),
            "levels": {name: [rating.as_dict() for rating in found] for name, found in self.ratings.items()},
            "clauses": [row.as_dict() for row in self.clauses],
            "findings": [finding.as_dict() for finding in self.findings],
            "last": self.earlier.as_dict() if self.earlier else None,
            "inputs": dict(self.inputs),
        }


def judge(report: Report, network: Network, earlier: Earlier | None) -> Judgement:
    """Return what is made of a report. ``earlier``: the last run of the same scenario, if there was one."""
    district = network.district
    policies = {policy.id: policy for policy in district.protections}
    declared = {str(element): level for element, level in district.settings.recovery.elements.items()}
    ratings = {
        service.id: tuple(
            rate(
                standard,
                service,
                policies[service.protection],
                report.services[service.id],
                declared,
            )
            for standard in editions()
        )
        for service in district.services
        if service.id in report.services
    }
    found = rows(clauses(), Evidence(network, report, earlier))
    return Judgement(report, ratings, found, findings(report, earlier), earlier, inputs(report, network))


def inputs(report: Report, network: Network) -> dict[str, str]:
    """Return the hashes of the inventory and of the plan as they were loaded: over their JSON, sorted by key."""
    written = network.district.model_dump(mode="json")
    addresses = {name: str(node.loopback) for name, node in network.nodes.items()}
    steps = [{**asdict(step), "title": step.title.model_dump()} for step in report.planned]
    return {"inventory": _hash({"district": written, "addresses": addresses}), "plan": _hash(steps)}


def _hash(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
