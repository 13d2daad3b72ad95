"""Ansible's inventory against the Network it is made from."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inventory import load
from inventory.network import Network

ROOT = Path(__file__).parents[2]
DISTRICTS = (ROOT / "inventory" / "suxian", ROOT / "tests" / "districts" / "linwu")

pytestmark = pytest.mark.tools

Ansible = Callable[..., "subprocess.CompletedProcess[str]"]


def listed(ansible: Ansible, folder: Path, **environment: str) -> dict[str, Any]:
    done = ansible("ansible-inventory", "--list", NETDR_INVENTORY=str(folder), **environment)
    assert done.returncode == 0, done.stderr
    # Ansible marks every text that is not a template.
    found: dict[str, Any] = json.loads(done.stdout, object_hook=lambda item: item.get("__ansible_unsafe", item))
    return found


def ours(network: Network) -> dict[str, set[str]]:
    """Return which nodes belong to which group, by what the inventory says of it."""
    groups: dict[str, set[str]] = {}
    for node in network.nodes.values():
        if node.kind == "external":
            continue
        names = [f"{node.kind}s", f"role_{node.role}", f"site_{node.site}", f"platform_{node.platform}"]
        if node.unit:
            names.append(f"class_{network.units[node.unit].user_class}")
        for name in names:
            groups.setdefault(name.replace("-", "_"), set()).add(node.id)
    return groups


@pytest.mark.parametrize("folder", DISTRICTS, ids=lambda path: path.name)
def test_groups_and_addresses_are_the_networks(ansible: Ansible, folder: Path) -> None:
    network, found = load.network(folder), listed(ansible, folder)
    groups = {name: set(group["hosts"]) for name, group in found.items() if "hosts" in group and name != "_meta"}
    assert groups == ours(network)
    variables = found["_meta"]["hostvars"]
    managed = [node for node in network.nodes.values() if node.kind != "external"]
    assert {node: values["ansible_host"] for node, values in variables.items()} == {
        node.id: str(node.loopback) for node in managed
    }


@pytest.mark.parametrize("folder", DISTRICTS, ids=lambda path: path.name)
def test_every_service_is_saved_at_home_and_proven_where_its_copy_is(ansible: Ansible, folder: Path) -> None:
    network, found = load.network(folder), listed(ansible, folder)["_meta"]["hostvars"]
    wanted: dict[str, set[str]] = {node.id: set() for node in network.hosts("services")}
    for service in network.district.services:
        home, standby = (network.hosts("services", site)[0].id for site in (service.home, service.standby))
        wanted[home].add(f"netdr-run-{service.id}.timer")
        wanted[standby].add(f"netdr-verify-{service.id}.timer")
    for node, names in wanted.items():
        assert names <= set(found[node]["netdr_units"])


def test_host_keys_are_checked_against_those_pinned(ansible: Ansible) -> None:
    found = listed(ansible, DISTRICTS[1], NETDR_STATE="/var/lib/netdr")["_meta"]["hostvars"]
    assert "StrictHostKeyChecking" not in json.dumps(found)
    for node in load.network(DISTRICTS[1]).hosts("controller"):
        values = found[node.id]
        assert "UserKnownHostsFile=/var/lib/netdr/ssh/known_hosts" in values["ansible_ssh_common_args"]
        assert values["ansible_ssh_private_key_file"] == "/var/lib/netdr/ssh/id_ed25519"


def test_the_revision_follows_the_files_and_the_vault(ansible: Ansible, tmp_path: Path) -> None:
    folder, state = tmp_path / "linwu", tmp_path / "state"
    shutil.copytree(DISTRICTS[1], folder, ignore=shutil.ignore_patterns(".netdr"))
    state.mkdir()

    def revision() -> str:
        found = listed(ansible, folder, NETDR_STATE=str(state))["_meta"]["hostvars"]
        return str(found[load.network(folder).hosts("controller")[0].id]["netdr_revision"])

    first = revision()
    assert revision() == first
    (state / "secrets.yaml").write_text("one")
    with_vault = revision()
    with (folder / "units.yaml").open("a") as units:
        units.write("# a remark\n")
    assert len({first, with_vault, revision()}) == 3


def test_without_a_district_it_is_said_and_nothing_succeeds(ansible: Ansible) -> None:
    done = ansible("ansible-playbook", str(ROOT / "playbooks" / "deploy.yml"), "--check")
    assert done.returncode == 1
    assert "name the district's folder in NETDR_INVENTORY" in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes_of_the_district_are_all_said_with_file_and_line(ansible: Ansible, tmp_path: Path) -> None:
    folder = tmp_path / "linwu"
    shutil.copytree(DISTRICTS[1], folder, ignore=shutil.ignore_patterns(".netdr"))
    hosts = folder / "hosts.yaml"
    hosts.write_text(hosts.read_text().replace("uplinks: [cave-gw]", "uplinks: [cave-gwx]"))
    done = ansible("ansible-playbook", str(ROOT / "playbooks" / "site.yml"), NETDR_INVENTORY=str(folder))
    assert done.returncode == 1
    assert "hosts.yaml:4" in done.stderr
    assert "hosts.yaml:5" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_host_is_an_error(ansible: Ansible) -> None:
    book = str(ROOT / "playbooks" / "deploy.yml")
    done = ansible("ansible-playbook", book, "--check", "-l", "nosuch", NETDR_INVENTORY=str(DISTRICTS[1]))
    assert done.returncode == 1
    assert "nosuch" in done.stderr
