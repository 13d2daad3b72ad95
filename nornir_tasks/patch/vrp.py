"""Huawei VRP without two-stage commit (VRP5, ``system-view immediately``): commands apply at once.

Sources: Huawei command references. "You can apply only one ACL in one direction" of an interface, so the rules of an
applied list are changed in place; on a user interface "only the latest configuration takes effect", which swaps.
A rule equal to one that is there is refused. Packets that no rule matches pass a traffic filter, but no login filter.
"""

from __future__ import annotations

from nornir_tasks.patch.dialect import Dialect, Lists, Members, Need, Point
from nornir_tasks.patch.keywords import RULES

VRP = Dialect(
    name="vrp",
    negation="undo ",
    leave="quit",
    ignored=(r"#.*", r"return", r"!.*"),
    blocks=(r"header \S+ information (?P<end>[^\w\s]).*",),
    refused=(
        (r"acl (ipv6|mac|user|link) (.|\n)*", "only IPv4 filters are understood: change it at the console"),
        (
            r"(.*\n)?(acl ipv6|traffic-filter \S+ (ipv6 )?acl ipv6|packet-filter (ipv6|mac)|traffic-policy) .*",
            "only IPv4 filters are understood: change it at the console",
        ),
        (r"(.*\n)?port hybrid .*", "hybrid ports are not understood: make it a trunk or an access port"),
        (r"header (.|\n)*", "a header is not a line: set it at the device"),
        (r"pki (.|\n)*", "certificates are not lines: enrol at the device"),
    ),
    sections=(
        r"interface \S+",
        r"vlan \d+",
        r"acl (number|name) .*",
        r"ospf .*",
        r"ospf .*\narea \S+",
        r"bgp .*",
        r"user-interface .*",
        r"aaa",
    ),
    fixed=(r"vlan 1", r"interface (?!Vlanif|LoopBack|Tunnel|Eth-Trunk)\S+", r"user-interface .*", r"aaa"),
    single=(
        r"sysname .*",
        r"description .*",
        r"name .*",
        r"ip address (?!.* sub$).*",
        r"port link-type .*",
        r"port default vlan .*",
        r"port trunk pvid vlan .*",
        r"acl \S+ (?P<key>inbound|outbound)",
        r"router-id .*",
        r"peer (?P<key>\S+ (as-number|description|password)) .*",
        r"(?P<key>local-user \S+ (password|privilege|service-type)) .*",
        r"snmp-agent (?P<key>sys-info \S+|community (read|write) \S+) .*",
        r"idle-timeout .*",
        r"mtu .*",
    ),
    additive=(
        r"ip route-static .*",
        r"ip address .* sub",
        r"network .*",
        r"ntp-service unicast-server .*",
        r"info-center loghost [\d.]+.*",
        r"snmp-agent target-host .*",
    ),
    shorter=(
        (
            r"(description|name|sysname|port link-type|port default vlan|port trunk pvid vlan|protocol inbound) .*",
            r"\1",
        ),
        (r"(acl name \S+) .*", r"\1"),
        (r"(snmp-agent target-host trap address udp-domain \S+ params securityname \S+) .*", r"\1"),
        (r"(peer \S+) as-number .*", r"\1"),
    ),
    members=(
        Members(line="vlan {}", add="vlan batch {}", remove="undo vlan batch {}", joint=" ", span=" to ", top=True),
        Members(
            line="port trunk allow-pass vlan {}",
            add="port trunk allow-pass vlan {}",
            remove="undo port trunk allow-pass vlan {}",
            joint=" ",
            span=" to ",
        ),
    ),
    lists=Lists(
        header=r"acl (number |name )?(?P<list>\S+)( .*)?",
        rule=r"rule (?P<seq>\d+) (?P<text>(permit|deny).*)",
        write="rule {seq} {text}",
        remove="rule {seq}",
        step=5,
        grammar=RULES,
        keywords=True,
    ),
    points=(
        Point(
            r"interface (?P<at>\S+)\ntraffic-filter (?P<way>inbound|outbound) acl (name )?(?P<list>\S+)",
            swaps=False,
            otherwise="permit",
        ),
        Point(
            r"(?P<at>user-interface vty .*)\nacl (?P<list>\S+) (?P<way>inbound|outbound)", swaps=True, otherwise="deny"
        ),
    ),
    needs=(
        Need(r"interface Vlanif(?P<vlan>\d+)", "vlan {vlan}"),
        Need(r"interface \S+\nport default vlan (?P<vlan>\d+)", "vlan {vlan}"),
        Need(r"interface (?P<at>\S+)\nport trunk allow-pass vlan \d+", "interface {at}\nport link-type trunk"),
        Need(r"interface (?P<at>\S+)\nport default vlan \d+", "interface {at}\nport link-type access"),
    ),
    bars=(),
    facts=(
        ("vlan", r"vlan (?P<vlan>\d+)"),
        ("interface", r"interface (?P<at>\S+)"),
        ("svi", r"interface (?P<at>Vlanif(?P<vlan>\d+))"),
        ("shut", r"interface (?P<at>\S+)\nshutdown"),
        ("address", r"interface (?P<at>\S+)\nip address (?P<address>[\d.]+) (?P<mask>[\d.]+)( sub)?"),
        ("trunk", r"interface (?P<at>\S+)\nport link-type trunk"),
        ("limited", r"interface (?P<at>\S+)\nport link-type trunk"),
        ("tagged", r"interface (?P<at>\S+)\nport trunk allow-pass vlan (?P<vlan>\d+)"),
        ("access", r"interface (?P<at>\S+)\nport default vlan (?P<vlan>\d+)"),
        ("route", r"ip route-static (?P<network>[\d.]+) (?P<mask>[\d.]+) (?P<hop>[\d.]+)( .*)?"),
        ("dynamic", r"(ospf|bgp) .*\n(area|peer|network) .*"),
    ),
    order=(
        r"sysname .*",
        r"vlan .*",
        r"vlan .*\n.*",
        r"acl (.|\n)*",
        r"interface \S+",
        r"(interface|user-interface) .*\n(traffic-filter|acl) .*",
        r"interface \S+\nport .*",
        r"interface \S+\n.*",
        r"ip route-static .*",
        r"(ospf|bgp) (.|\n)*",
    ),
)
