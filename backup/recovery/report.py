"""What a recovery achieved, from its events: RTO and RPO per service against the policy, each step with its time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup.recovery.run import Done
from inventory.asset import Protection, Service
from inventory.network import Network
from netdr.kernel.language import Language


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """One service's result in seconds. ``rpo_s`` is None when nothing was restored (the data moved without loss)."""

    rto_s: float
    rto_allowed_s: int
    rpo_s: float | None
    rpo_allowed_s: int
    snapshot: str

    @property
    def kept(self) -> bool:
        """Whether the policy's promise was kept."""
        return self.rto_s <= self.rto_allowed_s and (self.rpo_s is None or self.rpo_s <= self.rpo_allowed_s)


@dataclass(frozen=True, slots=True)
class Report:
    """A recovery run's record. Times are Unix seconds; ``lost_at`` is when the main site was last known to answer."""

    scenario: str
    run: str
    lost_at: float
    services: Mapping[str, ServiceFigures]
    steps: tuple[Done, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        steps = [
            {
                "step": done.step.id,
                "started": done.started,
                "seconds": round(done.ended - done.started, 2),
                "facts": dict(done.facts),
                "failure": str(done.failure) if done.failure else "",
            }
            for done in self.steps
        ]
        services = {name: {**asdict(figures), "kept": figures.kept} for name, figures in self.services.items()}
        return {
            "scenario": self.scenario,
            "run": self.run,
            "lost_at": self.lost_at,
            "services": services,
            "steps": steps,
        }


def figures(
    network: Network, services: Sequence[str], lost_at: float, steps: Sequence[Done]
) -> dict[str, ServiceFigures]:
    """Given what was done, return each service's figures: RTO to its verified answer, RPO by its data's age."""
    by_id = {done.step.id: done for done in steps}
    known = {service.id: service for service in network.district.services}
    protections = {protection.id: protection for protection in network.district.protections}
    return {
        name: _figures(known[name], protections[known[name].protection], lost_at, by_id)
        for name in services
        if f"verify:{name}" in by_id
    }


def _figures(service: Service, policy: Protection, lost_at: float, by_id: Mapping[str, Done]) -> ServiceFigures:
    restored = by_id.get(f"restore:{service.id}")
    as_of = restored.facts.get("as_of") if restored else None
    return ServiceFigures(
        rto_s=round(by_id[f"verify:{service.id}"].ended - lost_at, 2),
        rto_allowed_s=policy.rto,
        rpo_s=round(max(0.0, lost_at - as_of), 2) if isinstance(as_of, float) else None,
        rpo_allowed_s=policy.rpo,
        snapshot=str(restored.facts.get("snapshot", "")) if restored else "",
    )


def write(report: Report, network: Network, folder: Path, language: Language) -> Path:
    """Write the report as JSON and, for people, as Markdown; return the Markdown's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.run}.json").write_text(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) + "\n")
    path = folder / f"{report.run}.md"
    path.write_text(markdown(report, network, language))
    return path


def markdown(report: Report, network: Network, language: Language) -> str:
    """Return the report as people read it."""
    names = {service.id: service.name.of(language) for service in network.district.services}
    when = datetime.fromtimestamp(report.lost_at, UTC).isoformat(timespec="seconds")
    chinese = language == "zh"
    lines = [
        f"# {'容灾报告' if chinese else 'Recovery report'}: {report.scenario} ({report.run})",
        "",
        f"{'主站点最后应答' if chinese else 'Main site last answered'}: {when}",
        "",
        "| 业务 | RTO (s) | 允许 | RPO (s) | 允许 | 快照 | 达标 |"
        if chinese
        else "| service | RTO (s) | allowed | RPO (s) | allowed | snapshot | kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, item in report.services.items():
        rpo = "–" if item.rpo_s is None else f"{item.rpo_s}"
        kept = ("是" if item.kept else "否") if chinese else ("yes" if item.kept else "no")
        row = (names[name], item.rto_s, item.rto_allowed_s, rpo, item.rpo_allowed_s, item.snapshot[:8] or "–", kept)
        lines.append("| " + " | ".join(map(str, row)) + " |")
    lines += ["", "| 步骤 | 用时 (s) | 结果 |" if chinese else "| step | seconds | result |", "|---|---|---|"]
    for done in report.steps:
        result = str(done.failure) if done.failure else ("完成" if chinese else "done")
        lines.append(f"| {done.step.title.of(language)} | {done.ended - done.started:.2f} | {result} |")
    return "\n".join(lines) + "\n"
