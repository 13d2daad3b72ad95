"""Ansible's view of the district: devices and hosts, grouped by kind, role, site, platform and unit class."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

from inventory import load
from monitoring.daemons import daemons
from netdr.kernel.errors import NetdrError

if TYPE_CHECKING:
    from inventory.model import Service
    from inventory.network import Network, Node

DOCUMENTATION = """
name: netdr
short_description: The hosts and groups of a netdr district
description: Reads the district named by NETDR_INVENTORY. SSH keys and pinned host keys come from NETDR_STATE.
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [netdr]
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Adds one host per device and server; nothing is decided here."""

    NAME = "netdr"

    def verify_file(self, path: str) -> bool:
        """Return whether ``path`` is the file that asks for this plugin."""
        return Path(path).name == "netdr.yml"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: ANN401 - Ansible's
        """Fill Ansible's inventory. Raise AnsibleParserError with every mistake of the district."""
        super().parse(inventory, loader, path, cache)
        folder = Path(os.environ.get("NETDR_INVENTORY", ""))
        if not os.environ.get("NETDR_INVENTORY"):
            raise AnsibleParserError("NETDR_INVENTORY is not set: name the district's folder in it")
        state = Path(os.environ.get("NETDR_STATE", folder / ".netdr"))
        try:
            network = load.network(folder)
        except NetdrError as error:
            raise AnsibleParserError(error.report()) from error
        for node in network.nodes.values():
            if node.kind != "external":
                self._add(network, node, folder, state)

    def _add(self, network: Network, node: Node, folder: Path, state: Path) -> None:
        self.inventory.add_host(node.id)
        for group in _groups(network, node):
            self.inventory.add_group(group)
            self.inventory.add_child(group, node.id)
        for name, value in _variables(network, node, folder, state).items():
            self.inventory.set_variable(node.id, name, value)


def _groups(network: Network, node: Node) -> list[str]:
    names = [f"{node.kind}s", f"role_{node.role}", f"site_{node.site}", f"platform_{node.platform}"]
    if node.unit:
        names.append(f"class_{network.units[node.unit].user_class}")
    return [name.replace("-", "_") for name in names]


def _variables(network: Network, node: Node, folder: Path, state: Path) -> dict[str, object]:
    found: dict[str, object] = {"ansible_host": str(node.loopback), "netdr_site": node.site, "netdr_role": node.role}
    if node.kind != "host":
        return found
    netdr = str(Path(sys.executable).with_name("netdr"))
    found |= {
        "ansible_user": network.district.settings.management.account,
        "ansible_ssh_private_key_file": str(state / "ssh/id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={state / 'ssh/known_hosts'} -o ConnectTimeout=10",
        "netdr_program": netdr,
        "netdr_inventory": str(folder.resolve()),
        "netdr_site_kind": next(site.kind for site in network.district.sites if site.id == node.site),
    }
    if node.role == "controller":
        found["netdr_daemons"] = [
            {"name": d.name, "argv": list(d.argv), "user": d.user, "folders": [str(path) for path in d.folders]}
            for d in daemons(netdr, folder.resolve(), network.district.settings.management.account)
        ]
    if node.role == "services":
        found["netdr_jobs"] = [
            {"name": f"{job}-{service.id}", "argv": [netdr, "backup", job, service.id], "every": every}
            for service, job, every in _jobs(network, node)
        ]
    return found


def _jobs(network: Network, node: Node) -> list[tuple[Service, str, int]]:
    """Return what a services host does by the clock: save what is at home here, prove what arrives here; in seconds."""
    promises = {protection.id: protection for protection in network.district.protections}
    services = network.district.services
    saved = [(s, "run", promises[s.protection].every) for s in services if s.home == node.site]
    proven = [(s, "prove", promises[s.protection].proof_every) for s in services if s.standby == node.site]
    return saved + proven
