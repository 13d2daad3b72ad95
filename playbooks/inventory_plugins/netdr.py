"""Ansible's view of the district: devices and hosts, grouped by kind, role, site, platform and unit class."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

from backup import schedule, timers
from backup.duty import book_of
from inventory import secrets as vault
from monitoring.daemons import daemons
from netdr.cli.context import from_environment
from netdr.kernel.errors import NetdrError, UsageError

if TYPE_CHECKING:
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

# A host that does not answer is given up after 10 s, one that falls silent after 30 s.
_PATIENCE = "-o ConnectTimeout=10 -o ServerAliveInterval=10 -o ServerAliveCountMax=3"


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Adds one host per device and server; nothing is decided here."""

    NAME = "netdr"

    def verify_file(self, path: str) -> bool:
        """Return whether ``path`` is the file that asks for this plugin."""
        return Path(path).name == "netdr.yml"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: ANN401 - Ansible's
        """Fill Ansible's inventory. Raise AnsibleParserError with every mistake of the district."""
        super().parse(inventory, loader, path, cache)
        context = from_environment(os.environ)
        try:
            network, folder = context.network, context.inventory.resolve()
        except UsageError as error:
            raise AnsibleParserError(f"{error}; name the district's folder in NETDR_INVENTORY") from None
        except NetdrError as error:
            raise AnsibleParserError(error.report()) from None
        state = context.state_folder or folder / ".netdr"
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
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={state / 'ssh/known_hosts'} {_PATIENCE}",
        "netdr_site_kind": next(site.kind for site in network.district.sites if site.id == node.site),
    }
    if node.role == "controller":
        made = daemons(netdr, folder, network.district.settings.management.account)
        found["netdr_daemons"] = [asdict(one) | {"folders": [str(path) for path in one.folders]} for one in made]
        found["netdr_revision"] = _revision(folder, state)
    if node.role in {"services", "controller"}:
        found["netdr_units"] = dict(timers.units(netdr, schedule.jobs(book_of(network, node.id))))
    return found


def _revision(folder: Path, state: Path) -> str:
    """Return a short name for what the district's files and its vault say now."""
    found = [path for path in (*sorted(folder.glob("*.yaml")), state / vault.VAULT) if os.access(path, os.R_OK)]
    texts = (path.name.encode() + b"\0" + path.read_bytes() for path in found)
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]
