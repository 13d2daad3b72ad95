"""What a run, or the inventory that it was run for, says to a clause of GB/T 22239 or GB/T 28448. Pure.

A verdict is about what can be seen here. It is never an assessor's: what cannot be seen is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backup.recovery.report.compare import Earlier
from backup.recovery.report.rating import how_sent
from backup.recovery.report.record import Report
from backup.recovery.report.standard import Clause
from inventory.entry import Name, span
from inventory.network import Network
from inventory.risk.pairs import pairs

Verdict = Literal["met", "partly", "not met", "unknown"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks look at. ``earlier``: the last run of the same scenario, if there was one."""

    network: Network
    report: Report
    earlier: Earlier | None


@dataclass(frozen=True, slots=True)
class Row:
    """A clause with what this run says to it."""

    clause: Clause
    verdict: Verdict
    why: Name

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "id": self.clause.id,
            "standard": self.clause.standard,
            "demands": self.clause.demands.model_dump(),
            "confirmed": self.clause.confirmed,
            "verdict": self.verdict,
            "why": self.why.model_dump(),
        }


def rows(clauses: Sequence[Clause], evidence: Evidence) -> tuple[Row, ...]:
    """Return every clause with its verdict."""
    return tuple(Row(clause, *CHECKS[clause.check](evidence)) for clause in clauses)


Found = tuple[Verdict, Name]


def _restored(evidence: Evidence) -> Found:
    wanted = evidence.report.wanted
    back = [name for name in wanted if name in evidence.report.services]
    verdict: Verdict = "unknown" if not wanted else "met" if len(back) == len(wanted) else "not met"
    return verdict, Name(
        en=f"{len(back)} of {len(wanted)} services were verified in this run",
        zh=f"本次应恢复 {len(wanted)} 项业务，已恢复并验证 {len(back)} 项",
    )


def _realtime(evidence: Evidence) -> Found:
    district = evidence.network.district
    policies = {policy.id: policy for policy in district.protections}
    services = district.services
    sent = [service.id for service in services if how_sent(service, policies[service.protection]) == "realtime"]
    verdict: Verdict = "met" if len(sent) == len(services) else "partly"
    named = ", ".join(sent) or "-"
    return verdict, Name(
        en=f"streamed as a whole: {named}; the other {len(services) - len(sent)} services (or their files) in batches",
        zh=f"全部实时传送：{named}；其余 {len(services) - len(sent)} 项（或其文件）分批传送",
    )


def _redundant(evidence: Evidence) -> Found:
    network = evidence.network
    single = [found.subject for found in pairs(network)]
    homes = {service.home for service in network.district.services}
    alone = [hosts[0].id for site in sorted(homes) if len(hosts := network.hosts("services", site)) == 1]
    if not single and not alone:
        return "met", Name(
            en="border, cores and services hosts are declared in pairs", zh="边界、核心与业务主机均成对配置"
        )
    named = ", ".join([*single, *alone])
    return "partly" if not single else "not met", Name(en=f"not in pairs: {named}", zh=f"未成对：{named}")


def _approved(evidence: Evidence) -> Found:
    steps = [done for done in evidence.report.steps if done.step.phase == "decide" and not done.failure]
    by = ", ".join(str(done.facts["by"]) for done in steps if "by" in done.facts) or "-"
    en, zh = f"every step is in the journal; decided by: {by}", f"各步骤均有日志；决定人：{by}"
    if not evidence.network.district.settings.recovery.deciders:
        return "partly", Name(en=f"{en}; nobody is named who may decide", zh=f"{zh}；清单未指定可以决定的人")
    return "met" if steps else "unknown", Name(en=en, zh=zh)


def _crypto(evidence: Evidence) -> Found:  # noqa: ARG001 - the form of a check
    return "not met", Name(
        en="restic encrypts with AES-256 and Poly1305, scrypt: not with SM2, SM3 or SM4",
        zh="restic 使用 AES-256、Poly1305 与 scrypt，而非国密 SM2/SM3/SM4",
    )


def _undone(evidence: Evidence) -> Found:
    """Judge by the steps that move something: those that fence, start or switch."""
    moving = [step for step in evidence.report.plan if step.phase in {"fence", "start", "switch"}]
    back = sum(bool(step.undo) for step in moving)
    verdict: Verdict = "unknown" if not moving else "met" if back == len(moving) else "partly" if back else "not met"
    return verdict, Name(
        en=f"{back} of the {len(moving)} steps that move something have a way back",
        zh=f"{len(moving)} 个改变状态的步骤中有 {back} 个可以撤销",
    )


def _policy(evidence: Evidence) -> Found:
    count = len(evidence.network.district.protected)
    return "met", Name(
        en=f"{count} assets with data, interval, copies, media and retention are in the inventory, which is checked",
        zh=f"清单中 {count} 项资产均写明数据、间隔、副本、介质与保存期，并经校验",
    )


def _rehearsed(evidence: Evidence) -> Found:
    """Judge by the shortest drill period of the services that were to come back."""
    last, period = evidence.earlier, _period(evidence)
    if last is None:
        return "partly", Name(en="first run of this plan that is known here", zh="本机记录中此预案的首次执行")
    days = int((evidence.report.lost_at - last.lost_at) / 86400)
    en, zh = f"run before: {last.run}, {days} days ago", f"上次执行：{last.run}，{days} 天前"
    if period is None:
        return "partly", Name(en=f"{en}; no drill period is written down", zh=f"{zh}；策略中未写明演练周期")
    verdict: Verdict = "met" if evidence.report.lost_at - last.lost_at <= period else "not met"
    return verdict, Name(en=f"{en}; wanted every {span(period)}", zh=f"{zh}；要求每 {span(period)} 一次")


def _period(evidence: Evidence) -> int | None:
    """Return the shortest drill period in seconds, None if a service has none."""
    district = evidence.network.district
    policies = {policy.id: policy for policy in district.protections}
    drills = [policies[one.protection].drill for one in district.services if one.id in evidence.report.wanted]
    return min((drill.every for drill in drills if drill), default=None) if all(drills) else None


CHECKS: Mapping[str, Callable[[Evidence], Found]] = {
    "restored": _restored,
    "realtime": _realtime,
    "redundant": _redundant,
    "approved": _approved,
    "crypto": _crypto,
    "policy": _policy,
    "undone": _undone,
    "rehearsed": _rehearsed,
}
