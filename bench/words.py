"""A corpus' intent in the words of each dialect, as the devices show their configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network

from corpus import ADDRESS, MANAGEMENT_VLAN, UPLINKS, Intent, Port, Rule

Lines = Iterator[str]
MASK = "255.255.255.0"


def ios(intent: Intent) -> str:
    """Return an intent as IOS shows it."""
    return "".join(f"{line}\n" for line in _ios(intent))


def vrp(intent: Intent) -> str:
    """Return an intent as Huawei VRP shows it."""
    return "".join(f"{line}\n" for line in _vrp(intent))


def comware(intent: Intent) -> str:
    """Return an intent as H3C Comware shows it."""
    return "".join(f"{line}\n" for line in _comware(intent))


WRITERS: Mapping[str, Callable[[Intent], str]] = {"ios": ios, "vrp": vrp, "comware": comware}
PORT_NAMES = {"ios": "GigabitEthernet0/{}", "vrp": "GigabitEthernet0/0/{}", "comware": "GigabitEthernet1/0/{}"}


def uplinks(dialect: str) -> tuple[str, ...]:
    """Return the names of the uplinks."""
    return tuple(PORT_NAMES[dialect].format(number + 1) for number in range(UPLINKS))


def _ios(intent: Intent) -> Lines:
    yield f"hostname {intent.hostname}"
    unnamed = sorted(vlan for vlan, name in intent.vlans.items() if not name)
    if unnamed:
        yield f"vlan {','.join(map(str, unnamed))}"
    for vlan, name in sorted(intent.vlans.items()):
        yield from (f"vlan {vlan}", f" name {name}") if name else ()
    for number, port in enumerate(intent.ports, 1):
        yield f"interface GigabitEthernet0/{number}"
        yield from _described(port)
        if port.trunk:
            yield f" switchport trunk allowed vlan {','.join(map(str, sorted(port.vlans)))}"
            yield " switchport mode trunk"
        else:
            yield f" switchport access vlan {min(port.vlans)}"
            yield " switchport mode access"
        yield from [" shutdown"] * port.shut
    for vlan, address in _addresses(intent):
        yield from (f"interface Vlan{vlan}", f" ip address {address} {MASK}")
        yield from (f" ip access-group {name} {way}" for name, way in _filters(intent, vlan, "in", "out"))
    yield from _ios_routing(intent)
    for name, rules in sorted(intent.lists.items()):
        yield f"ip access-list extended {name}"
        yield from (f" {number} {_ios_rule(rule)}" for number, rule in rules)
    for kind, command in (("syslog", "logging host"), ("snmp", "snmp-server host"), ("ntp", "ntp server")):
        end = " version 3 priv monitor" if kind == "snmp" else ""
        yield from (f"{command} {server}{end}" for server in sorted(intent.servers.get(kind, ())))
    yield "line vty 0 4"
    yield from [f" access-class {intent.filters[0]} in"] if 0 in intent.filters else []
    yield " transport input ssh"


def _ios_routing(intent: Intent) -> Lines:
    if intent.ospf:
        yield "router ospf 1"
        yield from (f" network {_wild(network)} area 0" for network in sorted(intent.ospf))
    if intent.peers:
        yield "router bgp 65000"
        yield from (f" neighbor {peer} remote-as {number}" for peer, number in sorted(intent.peers.items()))
    for route in sorted(intent.routes):
        network = IPv4Network(route)
        yield f"ip route {network.network_address} {network.netmask} {intent.gateway}"


def _ios_rule(rule: Rule) -> str:
    port = f" eq {rule.port}" if rule.port else ""
    return f"{rule.action} {rule.proto} {_ios_network(rule.source)} {_ios_network(rule.target)}{port}"


def _ios_network(text: str) -> str:
    network = IPv4Network(text)
    if network.prefixlen == 0:
        return "any"
    return f"host {network.network_address}" if network.prefixlen == 32 else _wild(text)


def _vrp(intent: Intent) -> Lines:
    yield from (f"sysname {intent.hostname}", "#")
    yield f"vlan batch {' '.join(map(str, sorted(intent.vlans)))}"
    for vlan, name in sorted(intent.vlans.items()):
        yield from (f"vlan {vlan}", f" description {name}") if name else ()
    yield from _keyword_lists(intent, "acl number {}")
    for vlan, address in _addresses(intent):
        yield from (f"interface Vlanif{vlan}", f" ip address {address} {MASK}")
        yield from (f" traffic-filter {way} acl {name}" for name, way in _filters(intent, vlan, "inbound", "outbound"))
    for number, port in enumerate(intent.ports, 1):
        yield f"interface GigabitEthernet0/0/{number}"
        yield from _described(port)
        yield f" port link-type {'trunk' if port.trunk else 'access'}"
        vlans = " ".join(map(str, sorted(port.vlans)))
        yield f" port trunk allow-pass vlan {vlans}" if port.trunk else f" port default vlan {vlans}"
        yield from [" shutdown"] * port.shut
    yield from _keyword_routing(intent)
    yield "user-interface vty 0 4"
    yield from [f" acl {intent.filters[0]} inbound"] if 0 in intent.filters else []
    yield " protocol inbound ssh"


def _comware(intent: Intent) -> Lines:
    yield from (f"sysname {intent.hostname}", "#")
    for vlan, name in sorted(intent.vlans.items()):
        yield f"vlan {vlan}"
        yield from [f" description {name}"] if name else []
    for vlan, address in _addresses(intent):
        yield from (f"interface Vlan-interface{vlan}", f" ip address {address} {MASK}")
        yield from (f" packet-filter {name} {way}" for name, way in _filters(intent, vlan, "inbound", "outbound"))
    for number, port in enumerate(intent.ports, 1):
        yield f"interface GigabitEthernet1/0/{number}"
        yield from _described(port)
        vlans = " ".join(map(str, sorted(port.vlans)))
        if port.trunk:
            yield from (" port link-type trunk", f" port trunk permit vlan {vlans}")
        else:
            yield f" port access vlan {vlans}"
        yield from [" shutdown"] * port.shut
    yield from _keyword_routing(intent)
    yield from [f"ssh server acl {intent.filters[0]}"] if 0 in intent.filters else []
    yield from _keyword_lists(intent, "acl advanced {}")


def _keyword_lists(intent: Intent, header: str) -> Lines:
    for name, rules in sorted(intent.lists.items()):
        yield header.format(name)
        yield from (f" rule {number} {_keyword_rule(rule)}" for number, rule in rules)


def _keyword_rule(rule: Rule) -> str:
    words = [rule.action, rule.proto]
    for keyword, text in (("source", rule.source), ("destination", rule.target)):
        network = IPv4Network(text)
        if network.prefixlen == 32:
            words += [keyword, str(network.network_address), "0"]
        elif network.prefixlen:
            words += [keyword, _wild(text)]
    return " ".join([*words, *(["destination-port", "eq", str(rule.port)] if rule.port else [])])


def _keyword_routing(intent: Intent) -> Lines:
    if intent.ospf:
        yield from ("ospf 1", " area 0.0.0.0")
        yield from (f"  network {_wild(network)}" for network in sorted(intent.ospf))
    if intent.peers:
        yield "bgp 65000"
        yield from (f" peer {peer} as-number {number}" for peer, number in sorted(intent.peers.items()))
    for route in sorted(intent.routes):
        network = IPv4Network(route)
        yield f"ip route-static {network.network_address} {network.netmask} {intent.gateway}"
    for kind, command, end in (
        ("syslog", "info-center loghost", ""),
        ("snmp", "snmp-agent target-host trap address udp-domain", " params securityname monitor v3 privacy"),
        ("ntp", "ntp-service unicast-server", ""),
    ):
        yield from (f"{command} {server}{end}" for server in sorted(intent.servers.get(kind, ())))


def _filters(intent: Intent, vlan: int, inward: str, outward: str) -> list[tuple[str, str]]:
    """Return (list, direction) of what is applied to an SVI."""
    found = ((intent.filters.get(vlan), inward), (intent.outward.get(vlan), outward))
    return [(name, way) for name, way in found if name]


def _addresses(intent: Intent) -> list[tuple[int, str]]:
    found = [(vlan, f"10.0.{vlan}.{host}") for vlan, host in sorted(intent.svis.items())]
    return [*found, (MANAGEMENT_VLAN, ADDRESS)]


def _described(port: Port) -> list[str]:
    return [f" description {port.description}"] if port.description else []


def _wild(text: str) -> str:
    network = IPv4Network(text)
    return f"{network.network_address} {network.hostmask}"
