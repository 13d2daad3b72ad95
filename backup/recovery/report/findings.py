"""What somebody has to look after: promises broken, services not back, steps that failed or came near their limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backup.recovery.report.compare import Earlier
from backup.recovery.report.record import Report
from inventory.entry import Name, span

# A step that needs more than this share of its time will fail on a worse day.
NEAR = 0.8
# So much slower than the last time is worth a question, if it is more than a few seconds.
SLOWER, SLOWER_S = 1.5, 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody must look after. ``owner`` is who does, empty until somebody is named."""

    rule: str
    subject: str
    what: Name
    owner: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {"rule": self.rule, "subject": self.subject, "what": self.what.model_dump(), "owner": self.owner}


def findings(report: Report, earlier: Earlier | None) -> tuple[Finding, ...]:
    """Return everything found in a report, the gravest kind first. ``earlier``: the last run of the same scenario."""
    return (*_lost(report), *_broken(report), *_failed(report), *_near(report), *_slower(report, earlier))


def _lost(report: Report) -> Iterator[Finding]:
    for name in report.wanted:
        if name not in report.services:
            what = Name(en=f"{name} was not brought back", zh=f"{name} 未能恢复")
            yield Finding("not-recovered", name, what)


def _broken(report: Report) -> Iterator[Finding]:
    for name, row in report.services.items():
        if row.rto_s > row.rto_allowed_s:
            en = f"{name} was back after {row.rto_s:.0f} s; promised: {span(row.rto_allowed_s)}"
            zh = f"{name} 用时 {row.rto_s:.0f} 秒恢复，承诺为 {span(row.rto_allowed_s)}"
            yield Finding("rto-broken", name, Name(en=en, zh=zh))
        if row.rpo_s is not None and row.rpo_s > row.rpo_allowed_s:
            en = f"{name} lost {row.rpo_s:.0f} s of data; promised: {span(row.rpo_allowed_s)} at most"
            zh = f"{name} 丢失 {row.rpo_s:.0f} 秒的数据，承诺至多 {span(row.rpo_allowed_s)}"
            yield Finding("rpo-broken", name, Name(en=en, zh=zh))


def _failed(report: Report) -> Iterator[Finding]:
    for done in report.steps:
        if done.failure:
            title, why = done.step.title, str(done.failure)
            what = Name(en=f"failed: {title.en}: {why}", zh=f"步骤失败：{title.zh}：{why}")
            yield Finding("step-failed", done.step.id, what)


def _near(report: Report) -> Iterator[Finding]:
    for done in report.steps:
        seconds = done.ended - done.started
        # People may take all the time that they are given.
        if not done.failure and done.step.phase != "decide" and seconds > NEAR * done.step.limit:
            title, limit = done.step.title, done.step.limit
            en = f"{title.en} took {seconds:.1f} s of the {limit:.0f} s that it may take"
            zh = f"{title.zh}：用时 {seconds:.1f} 秒，接近时限 {limit:.0f} 秒"
            yield Finding("step-near-limit", done.step.id, Name(en=en, zh=zh))


def _slower(report: Report, earlier: Earlier | None) -> Iterator[Finding]:
    for name, row in report.services.items():
        before = earlier.rto.get(name) if earlier else None
        if before and row.rto_s > SLOWER * before and row.rto_s - before > SLOWER_S:
            en = f"{name} took {row.rto_s:.1f} s, {before:.1f} s the last time"
            zh = f"{name} 用时 {row.rto_s:.1f} 秒，上次为 {before:.1f} 秒"
            yield Finding("slower", name, Name(en=en, zh=zh))
