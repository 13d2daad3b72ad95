"""Identical changes told once: devices whose diffs are equal up to their own parameters form a group. Pure.

A parameter is a value of the inventory that belongs to one device: its id, its loopback, the addresses and neighbours
of its links, its user networks. In a group's pattern a parameter that differs between the devices is shown as a hole,
``⟨loopback⟩``; filling the holes with a device's own values gives exactly that device's diff.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from inventory.intent.management import engine_id
from inventory.network import Network

# Private-use characters: no configuration contains them, so a hole cannot be mistaken for text.
_OPEN, _CLOSE = "\ue000", "\ue001"
_HOLE = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
# A secret that was derived for one device (redact.py): its fingerprint is that device's own, too.
_DERIVED = re.compile(r"<secret fp:[0-9a-f]+>")
_NUMBERS = re.compile(r"^@@ [^@]*@@.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Group:
    """Devices with the same change. ``pattern`` is the diff with holes, ``values`` what fills them, by device.

    In ``skeleton`` every parameter is a hole, also those that are the same for all these devices.
    """

    devices: tuple[str, ...]
    pattern: str
    skeleton: str
    parameters: tuple[str, ...]
    values: Mapping[str, Mapping[str, str]]


def parameters(network: Network, device: str) -> Mapping[str, str]:
    """Return the values that belong to this device alone, by the name under which a reader knows them."""
    return dict(_parameters(network, device))


def _parameters(network: Network, device: str) -> Iterator[tuple[str, str]]:
    node = network.node(device)
    yield "id", node.id
    yield "loopback", str(node.loopback)
    yield "engine", f"0x{engine_id(node.loopback).hex()}"
    if node.unit:
        yield "unit", node.unit
        yield "name", network.units[node.unit].name.zh
        yield "name.en", network.units[node.unit].name.en
    else:
        place = next(site.name for site in network.district.sites if site.id == node.site)
        yield "name", place.zh
        yield "name.en", place.en
    for number, wire in enumerate(network.wires_of(device), 1):
        near, far = wire.end(device), wire.far(device)
        yield f"link{number}", wire.name
        yield f"link{number}.port", near.port
        yield f"link{number}.address", str(near.address.ip)
        yield f"link{number}.far", str(far.address.ip)
        yield f"link{number}.neighbour", far.node
        yield f"link{number}.neighbour.port", f"{far.node} {far.port}"
    for number, net in enumerate(network.nets_of(device), 1):
        yield f"net{number}.prefix", str(net.prefix)
        yield f"net{number}.gateway", str(net.gateway)
        yield f"net{number}.port", net.port


def groups(diffs: Mapping[str, str], values: Mapping[str, Mapping[str, str]]) -> tuple[Group, ...]:
    """Given the diff and the parameters of each device, return the groups, largest first, then by first device.

    A device whose diff is empty is in no group. A secret that nobody knows by name counts as a parameter.
    """
    members: dict[str, list[str]] = {}
    filled: dict[str, Mapping[str, str]] = {}
    for device, diff in diffs.items():
        if diff:
            derived = {f"secret{number}": text for number, text in enumerate(_DERIVED.findall(diff), 1)}
            filled[device] = {**values.get(device, {}), **derived}
            members.setdefault(_normalised(diff, values.get(device, {})), []).append(device)
    found = [_group(pattern, tuple(devices), filled) for pattern, devices in members.items()]
    return tuple(sorted(found, key=lambda group: (-len(group.devices), group.devices[0])))


def _normalised(diff: str, values: Mapping[str, str]) -> str:
    number = count(1)
    text = _DERIVED.sub(lambda _: f"{_OPEN}secret{next(number)}{_CLOSE}", _NUMBERS.sub("@@", diff))
    names: dict[str, str] = {}
    for name, value in values.items():
        if value in text:  # the longer the pattern below, the longer it takes to be made, for every device anew
            names.setdefault(value, name)
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    # A value counts only where it stands alone: 10.0.0.1 is not a part of 10.0.0.10, core-1 not of core-10.
    alone = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-]|\.\w)")
    return alone.sub(lambda found: f"{_OPEN}{names[found[0]]}{_CLOSE}", text)


def _group(pattern: str, devices: tuple[str, ...], values: Mapping[str, Mapping[str, str]]) -> Group:
    used = dict.fromkeys(_HOLE.findall(pattern))
    varying = tuple(name for name in used if len({values[device][name] for device in devices}) > 1)
    shown = _HOLE.sub(lambda hole: f"⟨{hole[1]}⟩" if hole[1] in varying else values[devices[0]][hole[1]], pattern)
    own = {device: {name: values[device][name] for name in varying} for device in devices}
    return Group(devices, shown, _HOLE.sub(r"⟨\1⟩", pattern), varying, own)


def compared(group: Group, earlier: Sequence[Group]) -> tuple[Group, str] | None:
    """Return the earlier group that a group is most like, and how its skeleton differs from that one's.

    None if its own pattern says it as shortly.
    """
    told = [(other, _difference(other.skeleton, group.skeleton)) for other in earlier]
    best = min(told, key=lambda found: found[1].count("\n"), default=None)
    return best if best and best[1].count("\n") * 2 < group.skeleton.count("\n") else None


def _difference(one: str, other: str) -> str:
    lines = difflib.unified_diff(one.split("\n")[:-1], other.split("\n")[:-1], n=1, lineterm="")
    return "".join(f"{line}\n" for line in list(lines)[2:] if not line.startswith("@@"))
