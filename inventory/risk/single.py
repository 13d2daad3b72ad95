"""Single points of failure: every link, device, services host and site is taken out in turn, now and after a move."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from inventory.entry import Name
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.mend import mend, mend_between
from inventory.risk.reach import Element, Gone, Reach, Target, Units
from inventory.risk.risk import Effect, Risk

# What is lost, by the id of the service (or of the city's line), and by whom.
Lost = Mapping[str, Units]


def single_points(network: Network) -> Iterator[Risk]:
    """Yield what is lost with each single thing, of what works when everything does.

    ``exposed`` is found for each site that has services of its own: it is lost, they have been moved, then one more
    thing goes. What is an outage anyway is not said again.
    """
    reach = Reach(network)
    outages: dict[Element, Lost] = {}
    for element in reach.elements():
        lost = _lost(reach, element, Gone(), "")
        outages[element] = _minus(lost, _kept_elsewhere(reach, element, lost))
        yield from _risk(reach, element, Gone(), outages[element], "outage")
        yield from _risk(reach, element, Gone(), _minus(lost, outages[element]), "failover")
    yield from _after_a_move(reach, outages)
    yield from _copies(reach, outages)


def _after_a_move(reach: Reach, outages: Mapping[Element, Lost]) -> Iterator[Risk]:
    found: dict[Element, dict[str, Units]] = {element: {} for element in outages}
    gone: dict[Element, Gone] = {}
    for site in sorted({target.site for target in reach.targets if target.site}):
        moved = Gone(frozenset(node.id for node in reach.network.at_site(site)))
        for element, known in outages.items():
            if element.gone.nodes and element.gone.nodes <= moved.nodes:
                continue
            for name, units in _minus(_lost(reach, element, moved, site), known).items():
                found[element][name] = found[element].get(name, frozenset()) | units
                gone.setdefault(element, moved)
    for element, lost in found.items():
        if element in gone:
            yield from _risk(reach, element, gone[element], lost, "exposed")


def _copies(reach: Reach, elements: Iterable[Element]) -> Iterator[Risk]:
    """Yield what cuts the services' homes off from their standbys: meanwhile nothing new is saved there."""
    ways: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Target]] = {}
    for target in reach.targets:
        if target.site:
            ways.setdefault((target.home, target.standby), []).append(target)
    for (home, standby), targets in ways.items():
        for element in elements:
            if element.unit or element.gone.nodes & {*home, *standby} or _joined(reach, home, standby, element.gone):
                continue
            if _joined(reach, home, standby, Gone()):
                yield _uncopied(reach, element, home, standby, targets)


def _joined(reach: Reach, home: Sequence[str], standby: Sequence[str], gone: Gone) -> bool:
    return not reach.devices(home, gone).isdisjoint(reach.devices(standby, gone))


def _uncopied(
    reach: Reach, element: Element, home: Sequence[str], standby: Sequence[str], targets: Sequence[Target]
) -> Risk:
    names = [target.id for target in targets]
    units, tier = everybody(reach.network, names)
    found = mend_between(reach, element, home, standby)
    what = Name(
        en=f"nothing new of {', '.join(names)} is saved at the standby until it is mended",
        zh=f"修复前 {'、'.join(names)} 的新数据无法保存到备用站点",
    )
    rule = f"single-{element.kind}-to-copies"
    return Risk(element.kind, element.id, "unsaved", rule, tier, units, what, found.text, found.lines)


def _lost(reach: Reach, element: Element, before: Gone, moved: str) -> Lost:
    """Return what is lost with an element, of what works without what is gone before.

    The services of the site ``moved`` are at their standby.
    """
    found = {}
    for target in reach.targets:
        at = target.standby if moved and target.site == moved else target.home
        among = target.users & {element.unit} if element.unit else target.users
        if among:
            served = reach.units(at, before, among)
            found[target.id] = served - reach.units(at, before | element.gone, served)
    return {name: units for name, units in found.items() if units}


def _kept_elsewhere(reach: Reach, element: Element, lost: Lost) -> Lost:
    """Return, of what is lost at home, what could be had from the standby."""
    targets = {target.id: target for target in reach.targets}
    return {name: reach.units(targets[name].standby, element.gone, units) for name, units in lost.items()}


def _minus(lost: Lost, other: Lost) -> Lost:
    left = {name: units - other.get(name, frozenset()) for name, units in lost.items()}
    return {name: units for name, units in left.items() if units}


def _risk(reach: Reach, element: Element, before: Gone, lost: Lost, effect: Effect) -> Iterator[Risk]:
    """Yield one risk, or two: the services and the city's line are lost in different ways, with different mends."""
    services = {name: units for name, units in lost.items() if name != reach.city}
    parts = [lost] if element.unit else [services, {name: lost[name] for name in lost if name == reach.city}]
    for part in filter(None, parts):
        hit = [target for target in reach.targets if target.id in part]
        units = sorted(frozenset[str]().union(*part.values()))
        found = mend(reach, element, before, hit, units, effect)
        yield Risk(
            kind=element.kind,
            subject=element.id,
            effect=effect,
            rule=_rule(element, hit),
            tier=min(target.tier for target in hit),
            units={unit: tuple(target.id for target in hit if unit in part[target.id]) for unit in units},
            what=_what(hit, len(units), effect),
            mend=found.text,
            lines=found.lines,
            own=element.unit,
        )


def _rule(element: Element, hit: list[Target]) -> str:
    if element.unit:
        return f"single-access-{element.kind}"
    return f"single-{element.kind}" if any(target.site for target in hit) else f"single-{element.kind}-to-city"


def _what(hit: list[Target], count: int, effect: Effect) -> Name:
    names = ", ".join(target.id for target in hit)
    until = {
        "outage": Name(en=" until it is mended", zh="，修复前无法恢复"),
        "failover": Name(en=" until the services have been moved", zh="，切换到备用站点后恢复"),
        "exposed": Name(en=" if it goes after a failover", zh="（切换后再发生此故障时）"),
    }[effect]
    en = f"{count} unit{'s lose' if count > 1 else ' loses'} {names}{until.en}"
    return Name(en=en, zh=f"{count} 个单位失去 {names.replace(', ', '、')}{until.zh}")
