"""Which level of GB/T 20988 a service's figures reach, and why not the next. Pure.

The rating is the minimum over the elements. netdr sees two things: how the data gets off site, by the policy, and what
this run measured. The other elements are what the inventory declares (``recovery.elements`` in district.yaml); what is
not declared is unknown, and then the level is only what it can be at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from backup.recovery.report.figures import ServiceFigures
from backup.recovery.report.standard import SENT, Level, Sent, Standard, names
from inventory.asset import Postgres, Protection, Service
from inventory.entry import Name, span

DATA = "data"
FIGURES = Name(en="figures of this run", zh="本次实测指标")
# "Several times a day": at least twice.
_TWICE_A_DAY_S = 12 * 3600


@dataclass(frozen=True, slots=True)
class Rating:
    """One service by one edition. ``reached``: the level of each element, None where nobody knows.

    ``level`` is what all of them reach if all are known, else None; ``most`` what it can be at most. ``reasons`` say
    what stands between ``most`` and the next level.
    """

    standard: str
    level: int | None
    most: int
    reached: Mapping[str, int | None]
    reasons: tuple[Name, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the ``--json`` form."""
        return {
            "standard": self.standard,
            "level": self.level,
            "at_most": self.most,
            "elements": dict(self.reached),
            "why_not_more": [reason.model_dump() for reason in self.reasons],
        }


def rate(
    standard: Standard, service: Service, policy: Protection, measured: ServiceFigures, declared: Mapping[str, int]
) -> Rating:
    """Return the rating of a service. ``declared``: the levels that elements were assessed to reach, by id."""
    reached: dict[str, int | None] = {
        element.id: data_level(standard, service, policy) if element.id == DATA else declared.get(element.id)
        for element in standard.elements
    }
    figures = figures_level(standard, measured)
    most = min([figures, *(level for level in reached.values() if level is not None)])
    whole = all(level is not None for level in reached.values())
    reasons = tuple(_reasons(standard, most + 1, reached, figures, measured)) if most < len(standard.levels) else ()
    return Rating(standard.id, most if whole else None, most, {**reached, "figures": figures}, reasons)


def data_level(standard: Standard, service: Service, policy: Protection) -> int:
    """Return the highest level whose demands on the data element the policy meets, 0 if it meets none."""
    sent = how_sent(service, policy)
    return _highest(standard, lambda level: policy.every <= level.data.every and _at_least(sent, level.data.sent))


def how_sent(service: Service, policy: Protection) -> Sent:
    """Return how a service's data gets off site: at once only if all of it is in databases that are streamed.

    Streaming does not wait for the standby, so it is never without loss.
    """
    if policy.stream and all(isinstance(source, Postgres) for source in service.data):
        return "realtime"
    return "batches" if policy.every <= _TWICE_A_DAY_S else "carried"


def figures_level(standard: Standard, measured: ServiceFigures) -> int:
    """Return the highest level whose example figures a run kept, 0 if none. Nothing restored is nothing lost."""
    lost = measured.rpo_s or 0.0

    def kept(level: Level) -> bool:
        return (
            (level.rto is None or measured.rto_s <= level.rto)
            and (level.rpo is None or lost <= level.rpo)
            and not (level.lossless and lost > 0)
        )

    return _highest(standard, kept)


def _highest(standard: Standard, good: Callable[[Level], bool]) -> int:
    found = 0
    for level in standard.levels:
        if not good(level):
            break
        found = level.level
    return found


def _at_least(sent: Sent, wanted: Sent) -> bool:
    return SENT.index(sent) >= SENT.index(wanted)


def _reasons(
    standard: Standard, wanted: int, reached: Mapping[str, int | None], figures: int, measured: ServiceFigures
) -> Iterator[Name]:
    titles, row = names(standard), standard.levels[wanted - 1]
    for element, level in reached.items():
        title = titles[element]
        if level is not None and level < wanted:
            asks = f": {_ASKS[row.data.sent].en}" if element == DATA else ""
            chinese = f"：{_ASKS[row.data.sent].zh}" if element == DATA else ""
            yield Name(en=f"{title.en} reaches level {level}{asks}", zh=f"{title.zh}达到第 {level} 级{chinese}")
    if figures < wanted:
        yield _too_slow(row, measured)
    if unknown := [titles[element] for element, level in reached.items() if level is None]:
        en, zh = ", ".join(title.en for title in unknown), "、".join(title.zh for title in unknown)
        yield Name(en=f"not declared: {en}", zh=f"未申报：{zh}")


_ASKS: Mapping[Sent, Name] = {
    "carried": Name(en="a copy off site every so often is wanted", zh="要求定期异地存放备份"),
    "batches": Name(
        en="copies must go off site over the network several times a day", zh="要求每天多次通过网络异地传送"
    ),
    "realtime": Name(en="all data must go off site in real time", zh="要求全部数据实时异地传送"),
    "lossless": Name(en="nothing may be lost: that takes synchronous replication", zh="要求数据零丢失，即同步复制"),
}


def _too_slow(row: Level, measured: ServiceFigures) -> Name:
    lost = measured.rpo_s or 0.0
    if row.lossless and lost > 0:
        return Name(en=f"{lost:.1f} s of data were lost, none may be", zh=f"丢失了 {lost:.1f} 秒的数据，要求零丢失")
    if row.rto is not None and measured.rto_s > row.rto:
        most = span(row.rto)
        return Name(
            en=f"RTO {measured.rto_s:.0f} s, {most} at most", zh=f"RTO 为 {measured.rto_s:.0f} 秒，要求不超过 {most}"
        )
    most = span(row.rpo or 0)
    return Name(en=f"RPO {lost:.0f} s, {most} at most", zh=f"RPO 为 {lost:.0f} 秒，要求不超过 {most}")
