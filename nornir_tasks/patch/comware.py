"""H3C/HPE Comware 7 line configurations: commands apply at once.

Sources: H3C command references. An applied packet filter cannot be replaced by another list in one step, so its rules
are changed in place; a rule equal to one that is there is refused; packets that no rule matches pass a packet
filter, but no login filter.
"""

from __future__ import annotations

from nornir_tasks.patch.dialect import Dialect, Lists, Members, Need, Point
from nornir_tasks.patch.keywords import RULES

COMWARE = Dialect(
    name="comware",
    negation="undo ",
    leave="quit",
    ignored=(r"#.*", r"return", r"version .*"),
    blocks=(r"header \S+ (?P<end>[^\w\s]).*",),
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
        r"acl (basic|advanced|number) .*",
        r"ospf .*",
        r"ospf .*\narea \S+",
        r"bgp .*",
        r"line .*",
    ),
    fixed=(r"vlan 1", r"interface (?!Vlan-interface|LoopBack|Tunnel|Bridge-Aggregation)\S+", r"line .*"),
    single=(
        r"sysname .*",
        r"description .*",
        r"name .*",
        r"ip address (?!.* sub$).*",
        r"port link-type .*",
        r"port access vlan .*",
        r"port trunk pvid vlan .*",
        r"ssh server acl .*",
        r"router-id .*",
        r"peer (?P<key>\S+ (as-number|description|password)) .*",
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
        (r"(description|name|sysname|port link-type|port access vlan|port trunk pvid vlan|ssh server acl) .*", r"\1"),
        (r"(snmp-agent target-host trap address udp-domain \S+ params securityname \S+) .*", r"\1"),
        (r"(peer \S+) as-number .*", r"\1"),
    ),
    members=(
        Members(line="vlan {}", add="vlan {}", remove="undo vlan {}", joint=" ", span=" to ", top=True, apart=True),
        Members(
            line="port trunk permit vlan {}",
            add="port trunk permit vlan {}",
            remove="undo port trunk permit vlan {}",
            joint=" ",
            span=" to ",
        ),
    ),
    lists=Lists(
        header=r"acl (basic|advanced|number) (name )?(?P<list>\S+)( .*)?",
        rule=r"rule (?P<seq>\d+) (?P<text>(permit|deny).*)",
        write="rule {seq} {text}",
        remove="rule {seq}",
        step=5,
        grammar=RULES,
        keywords=True,
    ),
    points=(
        Point(
            r"interface (?P<at>\S+)\npacket-filter (name )?(?P<list>\S+) (?P<way>inbound|outbound)",
            swaps=False,
            otherwise="permit",
        ),
        Point(r"(?P<at>ssh server) (?P<way>acl) (?P<list>\d+)", swaps=True, otherwise="deny"),
    ),
    needs=(
        Need(r"interface Vlan-interface(?P<vlan>\d+)", "vlan {vlan}"),
        Need(r"interface \S+\nport access vlan (?P<vlan>\d+)", "vlan {vlan}"),
        Need(r"interface (?P<at>\S+)\nport trunk permit vlan \d+", "interface {at}\nport link-type trunk"),
    ),
    bars=(Need(r"interface (?P<at>\S+)\nport access vlan \d+", "interface {at}\nport link-type trunk"),),
    facts=(
        ("vlan", r"vlan (?P<vlan>\d+)"),
        ("interface", r"interface (?P<at>\S+)"),
        ("svi", r"interface (?P<at>Vlan-interface(?P<vlan>\d+))"),
        ("shut", r"interface (?P<at>\S+)\nshutdown"),
        ("address", r"interface (?P<at>\S+)\nip address (?P<address>[\d.]+) (?P<mask>[\d.]+)( sub)?"),
        ("trunk", r"interface (?P<at>\S+)\nport link-type trunk"),
        ("limited", r"interface (?P<at>\S+)\nport link-type trunk"),
        ("tagged", r"interface (?P<at>\S+)\nport trunk permit vlan (?P<vlan>\d+)"),
        ("access", r"interface (?P<at>\S+)\nport access vlan (?P<vlan>\d+)"),
        ("route", r"ip route-static (?P<network>[\d.]+) (?P<mask>[\d.]+) (?P<hop>[\d.]+)( .*)?"),
        ("dynamic", r"(ospf|bgp) .*\n(area|peer|network) .*"),
    ),
    order=(
        r"sysname .*",
        r"vlan .*",
        r"vlan .*\n.*",
        r"acl (.|\n)*",
        r"interface \S+",
        r"interface .*\npacket-filter .*",
        r"interface \S+\nport .*",
        r"interface \S+\n.*",
        r"ip route-static .*",
        r"(ospf|bgp) (.|\n)*",
    ),
)
