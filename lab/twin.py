"""A lab in which the devices are as they are now, to try a change on before the real ones see it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from inventory import platforms
from inventory.network import Network
from lab import install
from lab.files import File
from lab.model import BOOT, FIRST_START, LabPlan, Plug
from lab.plan import host_boot

_KEYS = "/etc/ssh/twin_keys"
_WORD = re.compile(r"[\w./-]+")
# More ports than any switch has.
_PORTS = 512


@dataclass(frozen=True, slots=True)
class Present:
    """What makes a lab a twin.

    ``owned`` are the paths of the files that make up a device's configuration: it has none but its own. ``public_key``
    is what the twin's controllers log in with, whatever the configurations say. ``placement`` has the site of each
    service.
    """

    owned: Collection[str]
    public_key: str
    placement: Mapping[str, str]


def twin(plan: LabPlan, network: Network, present: Present) -> LabPlan:
    """Given the plan of a lab whose devices have their present configurations as first files, return the twin's.

    A services host has the addresses of the services that are active at its site and none of their programs: what is
    tried is the way there. A port that a device's configuration names and the network has no cable for is there, with
    nothing plugged in.
    """
    base = {path: file for path, file in plan.bases["device"].items() if path not in present.owned}
    disks = dict(plan.disks)
    login = {
        _KEYS: File(f"{present.public_key}\n"),
        install.SSHD_ARGUMENTS: File(f'SSHD_OPTS="-o AuthorizedKeysFile={_KEYS}"\n'),
    }
    for device in network.devices:
        disks[device.id] = {**disks[device.id], **login}
    for host in network.hosts("services"):
        active = [service for service, site in present.placement.items() if site == host.site]
        addresses = [("ip", "address", "add", f"{network.services[name]}/32", "dev", "lo") for name in active]
        kept = {path: file for path, file in disks[host.id].items() if path != FIRST_START}
        disks[host.id] = {**kept, BOOT: host_boot(network, host, addresses)}
    spares = tuple(_bare(plan, network))
    topology = replace(plan.topology, spares=(*plan.topology.spares, *spares))
    return replace(plan, topology=topology, bases={**plan.bases, "device": base}, disks=disks)


def _bare(plan: LabPlan, network: Network) -> Iterator[Plug]:
    for device in network.devices:
        words = {word for file in plan.disks[device.id].values() for word in _WORD.findall(file.content)}
        named = (platforms.port(device.platform, number) for number in range(1, _PORTS + 1))
        taken = plan.topology.ports_of(device.id)
        yield from (Plug(device.id, name) for name in named if name in words and name not in taken)
