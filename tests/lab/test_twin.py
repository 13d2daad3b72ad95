"""What makes a lab a twin: the devices' own files, a key of its own, services by address, ports that hang loose."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from lab.files import File
from lab.keys import HostKey
from lab.model import BOOT, FIRST_START, LabPlan, Plug
from lab.plan import Supplies, lab_plan
from lab.twin import Present, twin
from netdr.kernel.secret import Secret

RUNNING = {
    # acc-mill has cables at swp1 to swp3 and, like every access switch of a lab, two spares: swp4 and swp5.
    "acc-mill": "auto swp1\niface swp1\nauto swp4\niface swp4\nauto br33\n    bridge-ports swp9\n",
    "ring-s": "auto swp8\niface swp8\n    alias acc-gone swp1\n",
}
OWNED = {"/etc/network/interfaces", "/etc/nftables.conf"}


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[1] / "districts/linwu")


@pytest.fixture(scope="module")
def plan(network: Network) -> LabPlan:
    supplies = Supplies(
        day0={d.id: {"/etc/network/interfaces": File(RUNNING.get(d.id, "auto lo\n"))} for d in network.devices},
        program="#!/usr/bin/python3\n",
        public_key="ssh-ed25519 twin",
        city_key=Secret("bgp-password"),
        host_keys={n.id: HostKey(Secret("private"), "ssh-ed25519 public") for n in network.nodes.values()},
        state={},
        checkout="/opt/netdr",
        inventory="/opt/netdr/inventory/linwu",
        venv="/opt/netdr/.venv",
    )
    made = lab_plan(network, supplies, "twin-1")
    return twin(made, network, Present(OWNED, "ssh-ed25519 twin", {"registry": "hall", "notices": "cave"}))


def test_a_device_has_no_configuration_but_its_own(plan: LabPlan) -> None:
    assert not OWNED & plan.bases["device"].keys()
    assert plan.disks["acc-mill"]["/etc/network/interfaces"].content == RUNNING["acc-mill"]
    assert "/etc/nftables.conf" not in plan.disks["acc-mill"]
    assert "/etc/nftables.conf" in plan.bases["city"]


def test_the_twins_key_opens_a_device_whatever_its_configuration_says(plan: LabPlan) -> None:
    files = plan.disks["hub"]
    assert files["/etc/ssh/twin_keys"].content == "ssh-ed25519 twin\n"
    assert files["/etc/default/ssh"].content == 'SSHD_OPTS="-o AuthorizedKeysFile=/etc/ssh/twin_keys"\n'
    assert plan.bases["device"]["/etc/default/ssh"].content == "SSHD_OPTS=\n"


def test_a_services_host_has_the_addresses_of_the_services_at_its_site_and_starts_none(plan: LabPlan) -> None:
    home, dr = plan.disks["store"], plan.disks["store-b"]
    assert "ip address add 192.168.250.1/32 dev lo\n" in home[BOOT].content
    assert "192.168.250.2" not in home[BOOT].content
    assert "ip address add 192.168.250.2/32 dev lo\n" in dr[BOOT].content
    assert FIRST_START not in home
    assert "lab.apps.database" not in home[BOOT].content
    assert home[BOOT].content.endswith("/usr/sbin/sshd\n")


def test_a_port_that_only_the_present_configuration_names_is_there_without_a_cable(plan: LabPlan) -> None:
    spares = plan.topology.spares
    assert Plug("ring-s", "swp8") in spares
    assert Plug("acc-mill", "swp9") in spares
    assert len(spares) == len(set(spares))
    assert spares.count(Plug("acc-mill", "swp4")) == 1
    assert Plug("acc-mill", "swp1") not in spares
