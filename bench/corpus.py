"""Random pairs of configurations of one access switch: generated intents, written in the words of each dialect.

Nothing is drawn that cuts the management off in the end: its address and VLAN stay, in both intents an uplink carries
it, a route leads back, filters permit it. Everything else comes, goes, moves and is renumbered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

SOURCE = "10.250.0.9"
MANAGEMENT_VLAN = 99
ADDRESS = "10.99.0.2"
GATEWAYS = ("10.99.0.1", "10.99.0.3")
UPLINKS, PORTS = 2, 4
_VLANS = (10, 11, 12, 20, 30, 69, 381)
_SVIS = (10, 20, 30)
_HOSTS = (SOURCE, "10.250.0.10", "10.8.0.53")
_NETS = ("10.0.10.0/24", "10.0.0.0/16", "10.0.20.0/24", "0.0.0.0/0")


@dataclass(frozen=True)
class Rule:
    """One rule of a filter; networks are prefixes, ``port`` is of the destination, 0 for any."""

    action: str
    proto: str
    source: str
    target: str = "0.0.0.0/0"
    port: int = 0


@dataclass(frozen=True)
class Port:
    """A port: a trunk with ``vlans``, or an access port with the only one of them."""

    trunk: bool
    vlans: frozenset[int]
    shut: bool = False
    description: str = ""


@dataclass(frozen=True)
class Intent:
    """All that is asked of the switch.

    ``filters``: SVI, or 0 for logins, → list for what comes in; ``outward``: SVI → list for what goes out;
    ``lists``: list → numbered rules.
    """

    hostname: str
    vlans: dict[int, str]
    ports: tuple[Port, ...]
    svis: dict[int, int]
    filters: dict[int, str]
    outward: dict[int, str]
    lists: dict[str, tuple[tuple[int, Rule], ...]]
    gateway: str
    routes: frozenset[str]
    ospf: frozenset[str] = frozenset()
    peers: dict[str, int] = field(default_factory=dict)
    servers: dict[str, frozenset[str]] = field(default_factory=dict)


ADMIT = Rule("permit", "tcp", f"{SOURCE}/32", port=22)
DENY = Rule("deny", "ip", "0.0.0.0/0")


def pair(random: Random, *, swaps: bool) -> tuple[Intent, Intent]:
    """Return two intents of one switch. ``swaps``: interfaces may change the name of their list."""
    old = _intent(random, swaps=swaps)
    return old, _next(random, old, _intent(random, swaps=swaps))


def _next(random: Random, old: Intent, other: Intent) -> Intent:
    """Return what an intent becomes: each part stays or is the other one's, lists are edited."""
    names = ("hostname", "gateway", "routes", "ospf", "peers", "servers")
    new = replace(old, **{name: getattr(other, name) for name in names if random.random() < 0.4})
    if random.random() < 0.7:
        names = ("vlans", "ports", "svis", "filters", "outward", "lists")
        new = replace(new, **{name: getattr(other, name) for name in names})
    lists = {
        name: _edited(random, old.lists[name]) if name in old.lists and random.random() < 0.6 else rules
        for name, rules in new.lists.items()
    }
    return replace(new, lists=lists)


def _intent(random: Random, *, swaps: bool) -> Intent:
    vlans = {vlan: random.choice(("", f"v{vlan}", "users")) for vlan in _some(random, _VLANS)} | {
        MANAGEMENT_VLAN: "mgmt"
    }
    svis = {vlan: random.randint(1, 3) for vlan in _SVIS if vlan in vlans and random.random() < 0.7}
    filters = {
        place: random.choice("ABC") if swaps else f"{3000 + place}"
        for place in (0, MANAGEMENT_VLAN, *svis)
        if random.random() < 0.7
    }
    outward = {
        vlan: random.choice("ABC") if swaps else f"{3500 + vlan}"
        for vlan in (MANAGEMENT_VLAN, *svis)
        if random.random() < 0.3
    }
    return Intent(
        hostname=random.choice(("sw-a", "sw-b")),
        vlans=vlans,
        ports=_ports(random, tuple(vlans)),
        svis=svis,
        filters=filters,
        outward=outward,
        lists={name: _list(random) for name in sorted({*filters.values(), *outward.values()})},
        gateway=random.choice(GATEWAYS),
        routes=frozenset(
            {
                random.choice(("0.0.0.0/0", "10.250.0.0/24")),
                *_some(random, ("0.0.0.0/0", "10.20.0.0/16", "10.21.0.0/16")),
            }
        ),
        ospf=frozenset(_some(random, ("10.0.10.0/24", "10.0.20.0/24", "10.99.0.0/24"))),
        peers={peer: random.randint(65001, 65003) for peer in _some(random, ("10.99.0.1", "10.99.0.3"))},
        servers={kind: frozenset(_some(random, _HOSTS)) for kind in ("ntp", "syslog", "snmp")},
    )


def _ports(random: Random, vlans: tuple[int, ...]) -> tuple[Port, ...]:
    """Return ports of which one uplink, which may be another one in the next intent, carries the management."""
    ports = [_port(random, number, vlans) for number in range(PORTS)]
    first = random.randrange(UPLINKS)
    ports[first] = replace(ports[first], vlans=ports[first].vlans | {MANAGEMENT_VLAN}, shut=False)
    return tuple(ports)


def _port(random: Random, number: int, vlans: tuple[int, ...]) -> Port:
    description = random.choice(("", f"port {number}", "unused"))
    others = tuple(vlan for vlan in vlans if vlan != MANAGEMENT_VLAN or number < UPLINKS) or vlans
    shut = random.random() < 0.3
    if number < UPLINKS or random.random() < 0.5:
        chosen = frozenset(_some(random, others)) or frozenset(others[:1])
        return Port(trunk=True, vlans=chosen, shut=shut, description=description)
    return Port(trunk=False, vlans=frozenset({random.choice(others)}), shut=shut, description=description)


def _list(random: Random) -> tuple[tuple[int, Rule], ...]:
    """Return a list that admits the management and stops the rest, whatever stands between."""
    rules = list(dict.fromkeys(_rule(random) for _ in range(random.randint(0, 5))))
    while ADMIT in rules:
        rules.remove(ADMIT)
    rules.insert(random.randrange(len(rules) + 1), ADMIT)
    return _numbered(random, _sound(rules))


def _sound(rules: list[Rule]) -> list[Rule]:
    """Return rules without one that stops the management before it is admitted, and with a last one."""
    admitted = rules.index(ADMIT)
    stops = {rule for rule in rules[:admitted] if rule.action == "deny" and _covers(rule)}
    return [rule for rule in rules if rule not in stops and rule != DENY] + [DENY]


def _covers(rule: Rule) -> bool:
    return rule.source in {f"{SOURCE}/32", "0.0.0.0/0"}


def _rule(random: Random) -> Rule:
    source = random.choice((*_NETS, *(f"{host}/32" for host in _HOSTS)))
    target = random.choice((*_NETS, "10.8.0.53/32"))
    proto = random.choice(("ip", "tcp", "udp", "icmp"))
    port = random.choice((0, 22, 53, 443)) if proto in {"tcp", "udp"} else 0
    return Rule(random.choice(("permit", "deny")), proto, source, target, port)


def _numbered(random: Random, rules: list[Rule]) -> tuple[tuple[int, Rule], ...]:
    """Return rules with numbers: in equal steps, as templates write them, or with gaps, as people do."""
    if random.random() < 0.6:
        return tuple((10 * (place + 1), rule) for place, rule in enumerate(rules))
    return tuple(zip(sorted(random.sample(range(1, 60), len(rules))), rules, strict=True))


def _edited(random: Random, numbered: tuple[tuple[int, Rule], ...]) -> tuple[tuple[int, Rule], ...]:
    """Return a list after one to three edits: a rule comes, goes or moves. It is numbered anew, or only there."""
    rules = [rule for _, rule in numbered]
    numbers = {rule: number for number, rule in numbered}
    for _ in range(random.randint(1, 3)):
        rule = random.choice(rules) if random.random() < 0.5 else _rule(random)
        if rule in rules and rule != ADMIT:
            rules.remove(rule)
        if rule not in rules and random.random() < 0.7:
            rules.insert(random.randrange(len(rules) + 1), rule)
    rules = _sound(rules)
    kept = [numbers.get(rule, 0) for rule in rules]
    gaps = [number or before + 1 for number, before in zip(kept, [0, *kept], strict=False)]
    if random.random() < 0.5 and sorted(set(gaps)) == gaps:
        return tuple(zip(gaps, rules, strict=True))
    return _numbered(random, rules)


def _some(random: Random, pool: tuple) -> tuple:  # type: ignore[type-arg]
    return tuple(one for one in pool if random.random() < 0.6)
