"""The network as tables for people and programs: the district as a whole, or one device, unit, service or site.

A sheet knows nothing of terminals or languages: headings and cells are texts or names in both languages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from inventory.asset import Service, where
from inventory.entry import Name, span
from inventory.model import Site, Unit
from inventory.network import Network, Node, UserNet, access_id
from netdr.kernel.errors import UsageError, unknown

Cell = str | int | Name | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. The English headings, in lower case, are the keys of its JSON form."""

    title: Name
    head: tuple[Name, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_json(self) -> list[dict[str, object]]:
        """Return a list of objects, one per row; a name is an object with both languages."""
        keys = [name.en.lower().replace(" ", "_") for name in self.head]
        return [dict(zip(keys, (_plain(cell) for cell in row), strict=True)) for row in self.rows]


def summary(network: Network) -> tuple[Sheet, ...]:
    """Return the district: its figures, sites, services and units."""
    return _figures(network), _sites(network), _services(network, network.district.services), _units(network)


def about(network: Network, name: str) -> tuple[Sheet, ...]:
    """Return all that is known of a node, unit, service or site.

    Raise UsageError, listing the known names, if there is none of that name.
    """
    views = _views(network)
    if name not in views:
        raise UsageError(unknown("device, host, unit, service or site", name, views))
    return views[name]()


def _views(network: Network) -> Mapping[str, Callable[[], tuple[Sheet, ...]]]:
    views: dict[str, Callable[[], tuple[Sheet, ...]]] = {}
    for site in network.district.sites:
        views[site.id] = partial(_site, network, site)
    for service in network.district.services:
        views[service.id] = partial(_service, network, service)
    for unit in network.district.units:
        views[unit.id] = partial(_unit, network, unit)
    for node in network.nodes.values():
        views[node.id] = partial(_node, network, node)
    return views


def _figures(network: Network) -> Sheet:
    district = network.district
    figures = (
        (_n("devices", "设备"), len(network.devices)),
        (_n("hosts", "服务器"), len(district.hosts)),
        (_n("links", "链路"), len(network.wires)),
        (_n("units", "单位"), len(district.units)),
        (_n("user networks", "用户网段"), len(network.nets)),
        (_n("services", "业务系统"), len(network.services)),
    )
    row = tuple(count for _, count in figures)
    return Sheet(district.settings.name, tuple(name for name, _ in figures), (row,))


def _sites(network: Network) -> Sheet:
    rows = tuple(
        (site.id, site.name, site.kind, tuple(node.id for node in network.at_site(site.id)))
        for site in network.district.sites
    )
    return Sheet(_n("Sites", "站点"), (_ID, _NAME, _n("kind", "类型"), _n("nodes", "节点")), rows)


def _services(network: Network, services: tuple[Service, ...]) -> Sheet:
    promises = {protection.id: protection for protection in network.district.protections}
    head = (_ID, _NAME, _n("tier", "等级"), _n("address", "地址"), _n("ports", "端口"), _n("home", "主站点"))
    rows: list[tuple[Cell, ...]] = []
    for service in services:
        promise = promises[service.protection]
        address, ports = str(network.services[service.id]), service.ports
        places = (service.home, service.standby, span(promise.rpo), span(promise.rto))
        rows.append((service.id, service.name, service.tier, address, ports, *places))
    return Sheet(
        _n("Services", "业务系统"), (*head, _n("standby", "备站点"), _n("RPO", "RPO"), _n("RTO", "RTO")), tuple(rows)
    )


def _units(network: Network) -> Sheet:
    head = (_ID, _NAME, _n("class", "类别"), _n("uplinks", "上联"), _n("networks", "网段"))
    rows = tuple(
        (unit.id, unit.name, _class(network, unit), unit.uplinks, _prefixes(network, unit))
        for unit in network.district.units
    )
    return Sheet(_n("Units", "单位"), head, rows)


def _site(network: Network, site: Site) -> tuple[Sheet, ...]:
    return (_nodes(network, site.name, network.at_site(site.id)),)


def _service(network: Network, service: Service) -> tuple[Sheet, ...]:
    promise = next(entry for entry in network.district.protections if entry.id == service.protection)
    head = (_ID, _n("copy every", "备份间隔"), _n("proof every", "恢复验证间隔"), _n("kept", "保留"))
    kept = tuple(f"{name}={count}" for name, count in promise.retention.model_dump().items() if count)
    kept_sheet = Sheet(
        _n("Protection", "保护策略"), head, ((promise.id, span(promise.every), span(promise.proof.every), kept),)
    )
    data = tuple((source.kind, where(source)) for source in service.data)
    data_sheet = Sheet(_n("Data", "数据"), (_n("kind", "类型"), _n("where", "位置")), data)
    return _services(network, (service,)), kept_sheet, data_sheet


def _unit(network: Network, unit: Unit) -> tuple[Sheet, ...]:
    head = (_ID, _NAME, _n("class", "类别"), _n("uplinks", "上联"))
    row = (unit.id, unit.name, _class(network, unit), unit.uplinks)
    return Sheet(_n("Unit", "单位"), head, (row,)), *_node(network, network.nodes[access_id(unit.id)])


def _node(network: Network, node: Node) -> tuple[Sheet, ...]:
    nets = network.nets_of(node.id)
    sheets = (_nodes(network, _n(node.id, node.id), (node,)), _ports(network, node))
    return (*sheets, _nets(nets)) if nets else sheets


def _nodes(network: Network, title: Name, nodes: tuple[Node, ...]) -> Sheet:
    head = (_ID, _n("role", "角色"), _n("at", "位置"), _n("platform", "平台"), _n("loopback", "环回地址"))
    rows = tuple((node.id, node.role, _place(network, node), node.platform, str(node.loopback)) for node in nodes)
    return Sheet(title, head, rows)


def _ports(network: Network, node: Node) -> Sheet:
    head = (_n("port", "端口"), _n("address", "地址"), _n("neighbour", "对端"), _n("its port", "对端端口"))
    rows: list[tuple[Cell, ...]] = []
    for wire in network.wires_of(node.id):
        near, far = wire.end(node.id), wire.far(node.id)
        rows.append((near.port, str(near.address), far.node, far.port, wire.kind, wire.cost))
    return Sheet(_n("Links", "链路"), (*head, _n("kind", "类型"), _n("cost", "开销")), tuple(rows))


def _nets(nets: tuple[UserNet, ...]) -> Sheet:
    head = (_n("port", "端口"), _n("VLAN", "VLAN"), _NAME, _n("zone", "分区"), _n("network", "网段"))
    rows = tuple(
        (net.port, net.vlan.id, net.vlan.name, net.vlan.zone, str(net.prefix), str(net.gateway)) for net in nets
    )
    return Sheet(_n("User networks", "用户网段"), (*head, _n("gateway", "网关")), rows)


def _place(network: Network, node: Node) -> Cell:
    names = {site.id: site.name for site in network.district.sites}
    names |= {unit.id: unit.name for unit in network.district.units}
    names[network.district.uplink.id] = network.district.uplink.name
    return names[node.site]


def _class(network: Network, unit: Unit) -> Cell:
    return next(entry.name for entry in network.district.classes if entry.id == unit.user_class)


def _prefixes(network: Network, unit: Unit) -> tuple[str, ...]:
    return tuple(str(net.prefix) for net in network.nets_of(access_id(unit.id)))


def _plain(cell: Cell) -> object:
    return cell.model_dump() if isinstance(cell, Name) else cell


def _n(en: str, zh: str) -> Name:
    return Name(en=en, zh=zh)


_ID, _NAME = _n("id", "标识"), _n("name", "名称")
