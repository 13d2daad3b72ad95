"""From a network to the lab that plays it. Pure: the same network and supplies give the same plan."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice

from inventory import platforms
from inventory.network import Network, Node, UserNet, Wire, link_name, user_host
from lab import install, services
from lab.city import city_files
from lab.files import File
from lab.keys import HostKey
from lab.model import BOOT, FIRST_START, Kind, LabLink, LabNode, LabPlan, Plug, Topology
from netdr.kernel.secret import Secret

STATE = "/var/lib/netdr"
_PORT = "eth0"
# How many ports of an access switch have nothing plugged in: room for changes of the inventory while the lab is up.
_SPARES = 2
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Which end of a cable goes down when it is cut: never a user's or a server's, whose routes would go with the port.
_CUT_ORDER = ("city", "core", "aggregation", "dr", "access")


@dataclass(frozen=True)
class Supplies:
    """What a lab needs besides the network.

    ``day0`` has each device's first files by absolute path; ``program`` is the text of the program a device keeps its
    configuration with; ``state`` is what a controller finds in /var/lib/netdr, by path below it. ``checkout``,
    ``inventory`` and ``venv`` are folders of this machine, as a controller's environment names them; ``shares`` and
    ``hidden`` are LabPlan's.
    """

    day0: Mapping[str, Mapping[str, File]] = field(repr=False)
    program: str = field(repr=False)
    public_key: str
    city_key: Secret
    host_keys: Mapping[str, HostKey] = field(repr=False)
    state: Mapping[str, File] = field(repr=False)
    checkout: str
    inventory: str
    venv: str
    shares: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def lab_plan(network: Network, supplies: Supplies, lab: str) -> LabPlan:
    """Return the lab called ``lab`` that plays ``network``, the devices from their day-0 files."""
    topology = Topology(lab, tuple(_nodes(network, supplies)), tuple(_links(network)), tuple(_spares(network)))
    users = {user_host(network, net): str(net.first_host) for net in network.nets}
    names = install.names(network, users)
    bases, disks = _bases(network, supplies, names), dict(_disks(network, supplies))
    return LabPlan(topology, bases, disks, supplies.shares, supplies.hidden)


def _nodes(network: Network, supplies: Supplies) -> Iterator[LabNode]:
    system = {"PATH": _SYSTEM_PATH, "HOME": "/root"}
    controller = {
        "PATH": f"{supplies.venv}/bin:{_SYSTEM_PATH}",
        "HOME": "/root",
        "NETDR_STATE": STATE,
        "NETDR_INVENTORY": supplies.inventory,
    }
    for node in network.nodes.values():
        kind = "city" if node.kind == "external" else node.kind
        if node.role == "controller":
            yield LabNode(node.id, kind, node.site, str(node.loopback), controller, supplies.checkout)
        else:
            yield LabNode(node.id, kind, node.site, str(node.loopback), system)
    for net in network.nets:
        yield LabNode(user_host(network, net), "user", net.unit, str(net.first_host), system)


def _links(network: Network) -> Iterator[LabLink]:
    for wire in network.wires:
        first, second = sorted(wire.ends, key=lambda end: _cut_rank(network.nodes[end.node]))
        yield LabLink(wire.name, (Plug(first.node, first.port), Plug(second.node, second.port)))
    for net in network.nets:
        user = user_host(network, net)
        yield LabLink(link_name(net.device, user), (Plug(net.device, net.port), Plug(user, _PORT)))


def _spares(network: Network) -> Iterator[Plug]:
    """Yield the spare ports of every access switch: the first whose names no cable has taken."""
    for node in network.devices:
        if node.role == "access":
            taken = {wire.end(node.id).port for wire in network.wires_of(node.id)}
            taken |= {net.port for net in network.nets_of(node.id)}
            names = (platforms.port(node.platform, number) for number in count(1))
            yield from (Plug(node.id, name) for name in islice((n for n in names if n not in taken), _SPARES))


def _cut_rank(node: Node) -> int:
    return _CUT_ORDER.index(node.role) if node.role in _CUT_ORDER else len(_CUT_ORDER)


def _bases(network: Network, supplies: Supplies, names: str) -> Mapping[Kind, Mapping[str, File]]:
    account = network.district.settings.management.account
    machine, router = install.common(names, router=False), install.common(names, router=True)
    device, host = (install.login(install.Login(account, supplies.public_key, to)) for to in (install.PROGRAM, "ALL"))
    return {
        "device": {**router, **device, **install.daemons(), **install.device(supplies.program)},
        "host": {**machine, **host, **install.daemons()},
        "user": machine,
        "city": {**router, **city_files(network, supplies.city_key)},
    }


def _disks(network: Network, supplies: Supplies) -> Iterator[tuple[str, Mapping[str, File]]]:
    for node in network.nodes.values():
        identity = install.identity(node.id, supplies.host_keys.get(node.id))
        if node.kind == "device":
            yield node.id, {**identity, **_device(network, node), **supplies.day0[node.id]}
        else:
            yield node.id, {**identity, **(_host(network, node, supplies) if node.kind == "host" else {})}
    for net in network.nets:
        user = user_host(network, net)
        yield user, {**install.identity(user), BOOT: _script(_user_commands(net))}


def _device(network: Network, node: Node) -> Mapping[str, File]:
    peers = {peer.device for peer in network.district.uplink.peers}
    return install.routing({"ospfd", "bfdd", "bgpd"} if node.id in peers else {"ospfd", "bfdd"})


def _host(network: Network, node: Node, supplies: Supplies) -> Mapping[str, File]:
    commands = (*services.boot(network, node.id), _ENABLED)
    files = {**services.host_files(network, node.id), BOOT: host_boot(network, node, commands)}
    if first := services.first_start(network, node.id):
        files[FIRST_START] = _script(first)
    if node.role == "controller":
        known = install.known_hosts((n for n in network.nodes.values() if n.kind != "external"), supplies.host_keys)
        state = {**supplies.state, "ssh/known_hosts": File(known)}
        files |= {f"{STATE}/{path}": file for path, file in state.items()}
    return files


def host_boot(network: Network, node: Node, more: Iterable[tuple[str, ...]]) -> File:
    """Return the boot of a server: its network, the commands ``more``, then its SSH server."""
    return _script((*_host_commands(network, node), *more, ("/usr/sbin/sshd",)))


# What init does in the usual run level with the services that playbooks/site.yml has enabled.
_ENABLED = ("sh", "-c", 'for one in /etc/rc2.d/S*netdr-*; do [ ! -e "$one" ] || "$one" start || :; done')


def _host_commands(network: Network, node: Node) -> Iterator[tuple[str, ...]]:
    """Yield what gives a server its addresses, and a way out over each of its links that has a carrier."""
    wires = network.wires_of(node.id)
    yield from _start()
    yield "ip", "address", "add", f"{node.loopback}/32", "dev", "lo"
    for wire in wires:
        yield from _port(wire.end(node.id).port, str(wire.end(node.id).address))
    yield ("ip", "route", "add", "default", "src", str(node.loopback), *_next_hops(node, wires))
    yield "mkdir", "-p", "/run/sshd"


def _next_hops(node: Node, wires: Iterable[Wire]) -> Iterator[str]:
    for wire in wires:
        yield from ("nexthop", "via", str(wire.far(node.id).address.ip), "dev", wire.end(node.id).port)


def _user_commands(net: UserNet) -> Iterator[tuple[str, ...]]:
    yield from _start()
    yield from _port(_PORT, f"{net.first_host}/{net.prefix.prefixlen}")
    yield "ip", "route", "add", "default", "via", str(net.gateway)


def _start() -> Iterator[tuple[str, ...]]:
    yield "sysctl", "-q", "-e", "-p", "/etc/sysctl.d/netdr-lab.conf"
    yield "ip", "link", "set", "lo", "up"


def _port(port: str, address: str) -> Iterator[tuple[str, ...]]:
    yield "ip", "address", "add", address, "dev", port
    yield "ip", "link", "set", port, "up"


def _script(commands: Iterable[tuple[str, ...]]) -> File:
    """Return a script that runs the commands in order and stops at the first that fails."""
    return File("#!/bin/sh -e\n" + "".join(f"{shlex.join(command)}\n" for command in commands), 0o755)
