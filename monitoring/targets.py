"""What the inventory says about watching: which devices, with which modules and labels, as which user. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inventory.entry import Name
from inventory.network import Network, Node
from monitoring.snmp import User
from netdr.kernel.secret import Secret

# What every device is asked; those with a session to the city are asked for BGP too.
MODULES = ("system", "if_mib", "ospf")
BORDER_MODULES = (*MODULES, "bgp")


@dataclass(frozen=True, slots=True)
class Target:
    """A device to be watched: ``address`` is its loopback, ``labels`` go on every one of its metrics."""

    device: str
    address: str
    modules: tuple[str, ...]
    labels: Mapping[str, str]


def targets(network: Network) -> tuple[Target, ...]:
    """Return a target for each managed device, in inventory order."""
    border = {peer.device for peer in network.district.uplink.peers}
    return tuple(
        Target(
            device=node.id,
            address=str(node.loopback),
            modules=BORDER_MODULES if node.id in border else MODULES,
            labels=_labels(network, node),
        )
        for node in network.devices
    )


def _labels(network: Network, node: Node) -> Mapping[str, str]:
    """Return a device's labels. Its name is its unit's, or its site's: what the NOC calls the place."""
    name = _place(network, node)
    labels = {"device": node.id, "site": node.site, "role": node.role, "unit": node.unit}
    return {**labels, "name": name.en, "name_zh": name.zh}


def _place(network: Network, node: Node) -> Name:
    if node.unit:
        return network.units[node.unit].name
    return next(site.name for site in network.district.sites if site.id == node.site)


def users(network: Network, secrets: Mapping[str, Secret]) -> Mapping[str, User]:
    """Return the district's SNMPv3 user under its name: the ``auth`` of the exporter's requests."""
    snmp = network.district.settings.management.snmp
    return {
        snmp.name: User(
            name=snmp.name,
            auth_protocol=snmp.auth_protocol,
            auth_secret=secrets[snmp.auth_secret.secret],
            priv_protocol=snmp.priv_protocol,
            priv_secret=secrets[snmp.priv_secret.secret],
        )
    }
