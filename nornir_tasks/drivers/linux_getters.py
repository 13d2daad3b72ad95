"""What a linux device's programs print, as NAPALM's getters return it. Pure: JSON or text in, dictionaries out.

Shapes and units are NAPALM's (napalm.base.models); -1 stands for what the system does not know.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from statistics import fmean, pstdev
from typing import Any

Row = dict[str, Any]


def interfaces(addresses: str, speeds: Mapping[str, float]) -> dict[str, Row]:
    """Given ``ip -j address`` and speeds in Mbit/s, return the interfaces; ``description`` is the kernel's alias."""
    return {
        row["ifname"]: {
            "is_up": row["operstate"] == "UP" or (row["operstate"] == "UNKNOWN" and "LOWER_UP" in row["flags"]),
            "is_enabled": "UP" in row["flags"],
            "description": row.get("ifalias", ""),
            "last_flapped": -1.0,
            "speed": speeds.get(row["ifname"], -1.0),
            "mtu": row["mtu"],
            "mac_address": row.get("address", "").upper(),
        }
        for row in json.loads(addresses)
    }


def interfaces_ip(addresses: str) -> dict[str, Row]:
    """Given ``ip -j address``, return each interface's addresses with their prefix lengths."""
    found: dict[str, Row] = {}
    for row in json.loads(addresses):
        for one in row["addr_info"]:
            family = {"inet": "ipv4", "inet6": "ipv6"}[one["family"]]
            of_family = found.setdefault(row["ifname"], {}).setdefault(family, {})
            of_family[one["local"]] = {"prefix_length": one["prefixlen"]}
    return found


def counters(links: str) -> dict[str, Row]:
    """Given ``ip -j -s link``, return each interface's counters. The kernel counts no multicast that it sends."""
    found = {}
    for row in json.loads(links):
        rx, tx = row["stats64"]["rx"], row["stats64"]["tx"]
        found[row["ifname"]] = {
            "tx_errors": tx["errors"],
            "rx_errors": rx["errors"],
            "tx_discards": tx["dropped"],
            "rx_discards": rx["dropped"],
            "tx_octets": tx["bytes"],
            "rx_octets": rx["bytes"],
            "tx_unicast_packets": tx["packets"],
            "rx_unicast_packets": rx["packets"] - rx["multicast"],
            "tx_multicast_packets": -1,
            "rx_multicast_packets": rx["multicast"],
            "tx_broadcast_packets": -1,
            "rx_broadcast_packets": -1,
        }
    return found


def arp_table(neighbours: str) -> list[Row]:
    """Given ``ip -j neighbour``, return the IPv4 neighbours whose link address is known. The kernel keeps no age."""
    return [
        {"interface": row["dev"], "mac": row["lladdr"].upper(), "ip": row["dst"], "age": -1.0}
        for row in json.loads(neighbours)
        if "lladdr" in row and ipaddress.ip_address(row["dst"]).version == 4
    ]


def lldp_neighbors_detail(lldp: str) -> dict[str, list[Row]]:
    """Given ``lldpcli -f json0 show neighbors details``, return each port's neighbours."""
    found: dict[str, list[Row]] = {}
    for row in _interfaces_of(lldp):
        chassis, port = row["chassis"][0], row["port"][0]
        capabilities = [(one["type"].lower(), one["enabled"]) for one in chassis.get("capability", ())]
        found.setdefault(row["name"], []).append(
            {
                "parent_interface": "",
                "remote_port": _value(port, "id"),
                "remote_port_description": _value(port, "descr"),
                "remote_chassis_id": _value(chassis, "id"),
                "remote_system_name": _value(chassis, "name"),
                "remote_system_description": _value(chassis, "descr"),
                "remote_system_capab": [name for name, _ in capabilities],
                "remote_system_enable_capab": [name for name, enabled in capabilities if enabled],
            }
        )
    return found


def lldp_neighbors(lldp: str) -> dict[str, list[Row]]:
    """Given the same, return each port's neighbours in short: the port by its name if it has one."""
    found: dict[str, list[Row]] = {}
    for row in _interfaces_of(lldp):
        port = row["port"][0]
        by_mac = port["id"][0]["type"] == "mac"
        name = (_value(port, "descr") if by_mac else "") or _value(port, "id")
        found.setdefault(row["name"], []).append({"hostname": _value(row["chassis"][0], "name"), "port": name})
    return found


def _interfaces_of(lldp: str) -> Iterator[Row]:
    for part in json.loads(lldp).get("lldp", ()):
        yield from part.get("interface", ())


def _value(row: Row, key: str) -> str:
    return str(row[key][0].get("value", "")) if row.get(key) else ""


# FRR's words for an address family, and NAPALM's.
_FAMILIES = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}


def bgp_neighbors(neighbors: str) -> dict[str, Row]:
    """Given FRR's ``show bgp vrf all neighbors json``, return the peers by VRF; the default VRF is ``global``."""
    found: dict[str, Row] = {"global": {"router_id": "", "peers": {}}}
    for vrf, rows in json.loads(neighbors).items():
        peers = {name: row for name, row in rows.items() if isinstance(row, dict)}
        routers = [str(row.get("localRouterId", "")) for row in peers.values()]
        found["global" if vrf == "default" else vrf] = {
            "router_id": routers[0] if routers else "",
            "peers": {name: _peer(row) for name, row in peers.items()},
        }
    return found


def _peer(row: Row) -> Row:
    up = row["bgpState"] == "Established"
    return {
        "local_as": row["localAs"],
        "remote_as": row["remoteAs"],
        "remote_id": row.get("remoteRouterId", "") if up else "",
        "is_up": up,
        "is_enabled": not row.get("adminShutDown", False),
        "description": row.get("nbrDesc", ""),
        "uptime": row.get("bgpTimerUpMsec", 0) // 1000 if up else -1,
        "address_family": {
            _FAMILIES[name]: {
                "received_prefixes": family.get("acceptedPrefixCounter", -1) if up else -1,
                "accepted_prefixes": family.get("acceptedPrefixCounter", -1) if up else -1,
                "sent_prefixes": family.get("sentPrefixCounter", -1) if up else -1,
            }
            for name, family in row.get("addressFamilyInfo", {}).items()
            if name in _FAMILIES
        },
    }


def routes(shown: str, protocol: str) -> dict[str, list[Row]]:
    """Given FRR's ``show ip route … json``, return the routes by prefix, of one protocol unless it is empty."""
    names = {"direct": "connected"}
    wanted = names.get(protocol.lower(), protocol.lower())
    found: dict[str, list[Row]] = {}
    for prefix, entries in json.loads(shown).items():
        rows = [
            _route(row, hop) for row in entries for hop in row.get("nexthops", ()) if wanted in {"", row["protocol"]}
        ]
        if rows:
            found[prefix] = rows
    return found


def _route(row: Row, hop: Row) -> Row:
    chosen = bool(row.get("selected"))
    return {
        "protocol": row["protocol"],
        "current_active": chosen,
        "last_active": False,
        "age": _seconds(row["uptime"]),
        "next_hop": hop.get("ip", ""),
        "outgoing_interface": hop.get("interfaceName", ""),
        "selected_next_hop": chosen and bool(hop.get("fib")),
        "preference": row.get("distance", 0),
        "inactive_reason": "" if chosen else "another route is preferred",
        "routing_table": row.get("vrfName", "default"),
        "protocol_attributes": {"metric": row.get("metric", 0)},
    }


def _seconds(uptime: str) -> int:
    """Return FRR's ``hh:mm:ss``, ``1d02h03m`` or ``01w2d03h`` in seconds."""
    if match := re.fullmatch(r"(\d+):(\d+):(\d+)", uptime):
        hours, minutes, seconds = map(int, match.groups())
        return hours * 3600 + minutes * 60 + seconds
    units = {"w": 604800, "d": 86400, "h": 3600, "m": 60}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([wdhm])", uptime))


def ping(output: str, words: str, count: int) -> Row:
    """Given iputils' output, return NAPALM's answer: ``success`` with times in ms, or ``error`` if nothing was sent."""
    sent = re.search(r"(\d+) packets transmitted", output)
    if sent is None:
        return {"error": words}
    times = [
        (match[1], float(match[2])) for match in re.finditer(r"from ([^\s:]+(?::\S+)?): .*time=([\d.]+) ms", output)
    ]
    values = [milliseconds for _, milliseconds in times] or [0.0]
    return {
        "success": {
            "probes_sent": int(sent[1]),
            "packet_loss": count - len(times),
            "rtt_min": min(values),
            "rtt_max": max(values),
            "rtt_avg": fmean(values),
            "rtt_stddev": pstdev(values),
            "results": [{"ip_address": address, "rtt": milliseconds} for address, milliseconds in times],
        }
    }
