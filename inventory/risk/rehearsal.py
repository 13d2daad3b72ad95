"""Recoveries that nobody has tried for too long, or that broke a promise when they were tried last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inventory.asset import Service
from inventory.entry import Name, span
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.risk import Risk, Told

_DAY_S = 86400
_DRILL = Name(en="netdr dr drill", zh="执行 netdr dr drill")


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The last time that a service was brought back, in a drill or in earnest: Unix time, and if promises were kept."""

    at: float
    kept: bool


def rehearsal(network: Network, known: Mapping[str, Rehearsed], now: float) -> Iterator[Risk]:
    """Yield what is not known, or no longer, of each service's way back. ``now``: Unix time.

    ``known`` has the services that came back at least once; if there are none, that is one risk to all.
    """
    services = network.district.services
    if not known:
        what = Name(en="no drill or recovery is known on this machine", zh="本机没有任何演练或切换记录")
        yield _risk(network, [service.id for service in services], "recovery", Told("never-rehearsed", what, _DRILL))
        return
    for service in services:
        last = known.get(service.id)
        told = _missing(service) if last is None else _late(network, service, now - last.at) or _broken(service, last)
        if told:
            yield _risk(network, [service.id], service.id, told)


def _missing(service: Service) -> Told:
    what = Name(
        en=f"{service.id} was never brought back, in a drill or in earnest", zh=f"{service.id} 从未演练或实际恢复过"
    )
    return Told("never-rehearsed", what, _DRILL)


def _late(network: Network, service: Service, age: float) -> Told | None:
    policy = next(policy for policy in network.district.protections if policy.id == service.protection)
    if policy.drill is None or age <= policy.drill.every:
        return None
    days, every = int(age / _DAY_S), span(policy.drill.every)
    what = Name(
        en=f"{service.id} was brought back {days} days ago; it is to be drilled every {every}",
        zh=f"{service.id} 上次演练在 {days} 天前，要求每 {every} 一次",
    )
    return Told("rehearsal-overdue", what, _DRILL)


def _broken(service: Service, last: Rehearsed) -> Told | None:
    if last.kept:
        return None
    what = Name(
        en=f"{service.id} broke a promise when it was brought back the last time",
        zh=f"{service.id} 上次恢复时未达到承诺",
    )
    return Told(
        "promise-broken", what, Name(en="see the findings: netdr dr report", zh="见报告中的问题：netdr dr report")
    )


def _risk(network: Network, services: list[str], subject: str, told: Told) -> Risk:
    units, tier = everybody(network, services)
    return Risk("drill", subject, "unproven", told.rule, tier, units, told.what, told.mend)
