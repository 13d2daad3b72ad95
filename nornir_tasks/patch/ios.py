"""Plain IOS: commands apply at once, VLAN lists have ``add`` and ``remove``, an applied list is swapped by its name.

Source: Cisco IOS command references (switchport trunk allowed vlan, ip access-list, ip access-group, access-class).
"""

from __future__ import annotations

from nornir_tasks.patch.dialect import Dialect, Lists, Members, Need, Point

_ADDRESS = r"any|host \S+|[\d.]+ [\d.]+"
_PORT = r"eq \S+|range \S+ \S+|gt \S+|lt \S+"

IOS = Dialect(
    name="ios",
    negation="no ",
    leave="exit",
    ignored=(
        r"!.*",
        r"end",
        r"exit-address-family",
        r"Building configuration.*",
        r"Current configuration.*",
        r"version .*",
    ),
    blocks=(r"banner \S+ (?P<end>\^C|\S).*",),
    refused=(
        (r"ipv6 access-list (.|\n)*", "only IPv4 filters are understood: change it at the console"),
        (
            r".*\n(ipv6 (traffic-filter|access-class)|service-policy) .*",
            "only IPv4 filters are understood: change it at the console",
        ),
        (r"access-list .*", "one negated line deletes the whole list: write it as ip access-list"),
        (r"crypto pki (.|\n)*", "certificates are not lines: enrol at the device"),
        (r"banner (.|\n)*", "a banner is not a line: set it at the device"),
        (r"interface \S+\nswitchport trunk allowed vlan except .*", "name the VLANs that are allowed"),
    ),
    sections=(
        r"interface \S+",
        r"vlan \d+",
        r"ip access-list (extended|standard) \S+",
        r"router .*",
        r"line .*",
        r"router bgp .*\naddress-family .*",
    ),
    fixed=(r"vlan 1", r"interface (?!Vlan|Loopback|Tunnel|Port-channel)\S+", r"line .*"),
    single=(
        r"hostname .*",
        r"ip default-gateway .*",
        r"description .*",
        r"name .*",
        r"ip address (?!.* secondary$).*",
        r"switchport mode .*",
        r"switchport access vlan .*",
        r"switchport trunk native vlan .*",
        r"ip access-group \S+ (?P<key>in|out)",
        r"access-class \S+ (?P<key>in|out)( vrf-also)?",
        r"router-id .*",
        r"bgp router-id .*",
        r"neighbor (?P<key>\S+ (remote-as|description|update-source|password)) .*",
        r"(?P<key>username \S+) .*",
        r"enable secret .*",
        r"snmp-server (?P<key>location|contact|community \S+) .*",
        r"(ntp|logging) (?P<key>source|source-interface) .*",
        r"transport input .*",
        r"exec-timeout .*",
        r"mtu .*",
    ),
    additive=(
        r"ip route .*",
        r"ip address .* secondary",
        r"network .*",
        r"passive-interface .*",
        r"ntp server .*",
        r"logging (host )?[\d.]+.*",
        r"snmp-server host .*",
    ),
    shorter=((r"(username \S+) .*", r"\1"),),
    members=(
        Members(line="vlan {}", add="vlan {}", remove="no vlan {}", top=True, apart=True),
        Members(
            line="switchport trunk allowed vlan {}",
            add="switchport trunk allowed vlan add {}",
            remove="switchport trunk allowed vlan remove {}",
            assign="switchport trunk allowed vlan {}",
            clear="no switchport trunk allowed vlan",
        ),
    ),
    lists=Lists(
        header=r"ip access-list (extended|standard) (?P<list>\S+)",
        rule=r"((?P<seq>\d+) +)?(?P<text>(permit|deny|remark) .*)",
        write="{seq} {text}",
        remove="{seq}",
        step=10,
        grammar=(
            (
                rf"(?P<action>permit|deny) +(?P<proto>ip|tcp|udp|icmp) +(?P<src>{_ADDRESS})( (?P<sport>{_PORT}))?"
                rf" (?P<dst>{_ADDRESS})( (?P<dport>{_PORT}))?( log)?"
            ),
            rf"(?P<action>permit|deny) +(?P<src>{_ADDRESS}|[\d.]+)( log)?",
        ),
        keywords=False,
    ),
    points=(
        Point(r"interface (?P<at>\S+)\nip access-group (?P<list>\S+) (?P<way>in|out)", swaps=True, otherwise="deny"),
        Point(
            r"(?P<at>line vty .*)\naccess-class (?P<list>\S+) (?P<way>in|out)( vrf-also)?", swaps=True, otherwise="deny"
        ),
    ),
    needs=(
        Need(r"interface Vlan(?P<vlan>\d+)", "vlan {vlan}"),
        Need(r"interface \S+\nswitchport access vlan (?P<vlan>\d+)", "vlan {vlan}"),
    ),
    bars=(),
    facts=(
        ("vlan", r"vlan (?P<vlan>\d+)"),
        ("interface", r"interface (?P<at>\S+)"),
        ("svi", r"interface (?P<at>Vlan(?P<vlan>\d+))"),
        ("shut", r"interface (?P<at>\S+)\nshutdown"),
        ("address", r"interface (?P<at>\S+)\nip address (?P<address>[\d.]+) (?P<mask>[\d.]+)( secondary)?"),
        ("trunk", r"interface (?P<at>\S+)\nswitchport mode trunk"),
        ("limited", r"interface (?P<at>\S+)\nswitchport trunk allowed vlan"),
        ("tagged", r"interface (?P<at>\S+)\nswitchport trunk allowed vlan (?P<vlan>\d+)"),
        ("access", r"interface (?P<at>\S+)\nswitchport access vlan (?P<vlan>\d+)"),
        ("route", r"ip route (?P<network>[\d.]+) (?P<mask>[\d.]+) (?P<hop>[\d.]+)( .*)?"),
        ("gateway", r"ip default-gateway (?P<hop>[\d.]+)"),
        ("dynamic", r"router (ospf|bgp) .*\n(network|neighbor|address-family) .*"),
    ),
    order=(
        r"hostname .*",
        r"vlan .*",
        r"vlan .*\n.*",
        r"ip access-list (.|\n)*",
        r"interface \S+",
        r"(interface|line) .*\n(ip access-group|access-class) .*",
        r"interface \S+\nswitchport trunk .*",
        r"interface \S+\n.*",
        r"ip route .*",
        r"router (.|\n)*",
    ),
)
