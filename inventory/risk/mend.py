"""The cheapest mend of a single point of failure, as a sentence.

A line is cheaper than a device, a device cheaper than a site. So lines are proposed while up to ``MOST_LINES`` of them
are enough, by the names of their ends; else a second device beside the one that may be lost, or lines from other sites.
Each proposed line leads from what would be cut off to what would still be reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inventory.entry import Name
from inventory.network import access_id
from inventory.risk.reach import Element, Gone, Reach, Target
from inventory.risk.risk import Effect

MOST_LINES = 3


@dataclass(frozen=True, slots=True)
class Mend:
    """A mend as a sentence, and the new lines that it consists of, if it does, by the nodes at their ends."""

    text: Name
    lines: tuple[tuple[str, str], ...] = ()


def mend(  # noqa: PLR0913, PLR0917 - all that a mend depends on
    reach: Reach, element: Element, before: Gone, hit: Sequence[Target], units: Sequence[str], effect: Effect
) -> Mend:
    """Return what to do so that losing ``element``, when ``before`` is gone already, costs these units nothing."""
    if (element.kind == "device" and element.unit) or element.kind == "host":
        return _spare(reach, element)
    if effect == "failover" and element.kind == "site":
        en = "none is cheaper than a failover that has been rehearsed: netdr dr failover on the DR controller"
        return _said(en, "代价最低的办法是经过演练的切换：在容灾控制机上执行 netdr dr failover")
    starts = _starts(reach, hit, moved=effect == "exposed")
    gone = before | element.gone
    if all(not reach.walk(start, gone) for start in starts):
        return _attached(reach, element, gone, starts)
    lines = tuple(_lines(reach, element, gone, starts, units))
    if lines and len(lines) <= MOST_LINES:
        return _add(*lines)
    return _doubled(reach, element, units)


def mend_between(reach: Reach, element: Element, home: Sequence[str], standby: Sequence[str]) -> Mend:
    """Return what to do so that losing ``element`` does not cut some hosts off from others."""
    here, there = reach.devices(home, element.gone), reach.devices(standby, element.gone)
    if not here or not there:
        return _attached(reach, element, element.gone, standby if here else home)
    return _add(_line(reach, element, sorted(there), here))


def _said(en: str, zh: str) -> Mend:
    return Mend(Name(en=en, zh=zh))


def _spare(reach: Reach, element: Element) -> Mend:
    if element.unit:
        en = f"keep a spare switch for unit {element.unit} at hand: its configuration is archived and rendered anew"
        return _said(en, f"为单位 {element.unit} 备好备用交换机：其配置已归档，可随时重新生成")
    site = reach.network.nodes[element.id].site
    return _said(f"a second services host at site {site}", f"在站点 {site} 增加第二台业务主机")


def _starts(reach: Reach, hit: Sequence[Target], *, moved: bool) -> tuple[str, ...]:
    """Return the nodes from which it is lost: those of services if there are any, else the city."""
    services = [target for target in hit if target.id != reach.city] or list(hit)
    return tuple(dict.fromkeys(node for target in services for node in (target.standby if moved else target.home)))


def _attached(reach: Reach, element: Element, gone: Gone, starts: Sequence[str]) -> Mend:
    """Return how servers (or the city) whose only way in is lost get another."""
    left = frozenset(reach.backbone) - gone.nodes
    if starts == (reach.city,) and left:
        return _add(_line(reach, element, starts, left))
    if element.kind == "site":
        en = "bring the services home as soon as the lost site is whole: until then there is no other"
        return _said(en, "主站点恢复后尽快回切：此前没有其他站点可用")
    places = {reach.network.nodes[start].site for start in starts}
    near = frozenset(device for device in left if reach.network.nodes[device].site in places)
    if near:
        return _add(_line(reach, element, starts, near))
    place, names = ", ".join(sorted(places)), ", ".join(starts)
    en = f"a second device at site {place} with lines of its own, and {names} linked to it"
    return _said(en, f"在站点 {place} 增加第二台有独立线路的设备，并将 {names} 接入")


def _lines(
    reach: Reach, element: Element, gone: Gone, starts: Sequence[str], units: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the lines that are enough: one for each part of the backbone that is cut off, one for each unit alone."""
    there = reach.devices(starts, gone)
    uplinks = {unit: {device for device, _ in reach.lines(access_id(unit))} for unit in units}
    done: set[str] = set()
    for device in reach.backbone:
        if device in there or device in gone.nodes or device in done:
            continue
        part = reach.walk(device, gone) | {device}
        done |= part
        if not all(neighbours.isdisjoint(part) for neighbours in uplinks.values()):
            yield _line(reach, element, sorted(part), there)
    for unit in units:
        if uplinks[unit].isdisjoint(done):
            yield _line(reach, element, [access_id(unit)], there)


def _line(reach: Reach, element: Element, ends: Sequence[str], there: frozenset[str]) -> tuple[str, str]:
    """Return the new line between two ends that are not neighbours yet, if there are such.

    Of those it is one to a site that the near end has no line to yet: that site's loss must not be the next risk, nor
    that of the services' home. A unit's line goes where other units' lines go. The far end has the fewest lines.
    """
    homes = {target.site for target in reach.targets}

    def cost(pair: tuple[str, str]) -> tuple[bool, bool, bool, bool, int, str, str]:
        near, far = pair
        neighbours = dict(reach.lines(near))
        sites = {reach.network.nodes[device].site for device in neighbours}
        kinds = {wire.kind for wire in reach.network.wires_of(far)}
        strange = bool(element.unit or reach.network.nodes[near].unit) and "uplink" not in kinds
        site = reach.network.nodes[far].site
        return far in neighbours, site in sites, site in homes, strange, len(reach.network.wires_of(far)), near, far

    near, far = min(((near, far) for near in ends for far in there), key=cost)
    return near, far


def _add(*lines: tuple[str, str]) -> Mend:
    names = [f"{near} – {far}" for near, far in lines]
    en = f"{'one more line' if len(names) == 1 else f'{len(names)} more lines'}: {', '.join(names)}"
    return Mend(Name(en=en, zh=f"增加线路 {'、'.join(names)}"), lines)


def _doubled(reach: Reach, element: Element, units: Sequence[str]) -> Mend:
    if element.kind == "device":
        site = reach.network.nodes[element.id].site
        en = f"a second device beside {element.id} at site {site}, with the same lines"
        return _said(en, f"在站点 {site} 增加一台与 {element.id} 互为备份、线路相同的设备")
    count, few = len(units), ", ".join(units[:3])
    en = f"a line from another site for {count} unit{'s' * (count > 1)} ({few}{' …' * (count > 3)})"
    return _said(en, f"为 {count} 个单位（{few.replace(', ', '、')}{'等' * (count > 3)}）增加到其他站点的线路")
