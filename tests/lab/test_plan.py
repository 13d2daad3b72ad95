"""The plan of the second district's lab. What is expected comes from its YAML files, read by eye."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from lab.city import outside
from lab.files import File
from lab.keys import HostKey
from lab.model import BOOT, FIRST_START, LabPlan, Plug, Topology
from lab.plan import Supplies, lab_plan
from netdr.kernel.secret import Secret

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
DAY0 = "auto lo\n"


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


@pytest.fixture(scope="module")
def plan(network: Network) -> LabPlan:
    keys = {
        n.id: HostKey(Secret(f"private-{n.id}"), f"ssh-ed25519 public-{n.id}")
        for n in network.nodes.values()
        if n.kind != "external"
    }
    supplies = Supplies(
        day0={device.id: {"/etc/network/interfaces": File(DAY0)} for device in network.devices},
        program="#!/usr/bin/python3\n",
        public_key="ssh-ed25519 netdr",
        city_key=Secret("bgp-password"),
        host_keys=keys,
        state={"vault-password": File("open-sesame\n", 0o600)},
        checkout="/opt/netdr",
        inventory="/opt/netdr/inventory/linwu",
        venv="/opt/netdr/.venv",
        shares=("/opt/netdr",),
        hidden=("/opt/netdr/inventory/linwu/.netdr",),
    )
    return lab_plan(network, supplies, "twin")


def seen(plan: LabPlan, node: str) -> Mapping[str, File]:
    """What a node has: its kind's files, and its own above them."""
    return {**plan.bases[plan.topology.node(node).kind], **plan.disks[node]}


def test_every_node_of_the_network_is_there_and_a_user_host_in_every_user_network(plan: LabPlan) -> None:
    kinds = [node.kind for node in plan.topology.nodes]
    assert {kind: kinds.count(kind) for kind in kinds} == {"device": 13, "host": 4, "city": 1, "user": 10}
    assert plan.topology.lab == "twin"
    assert plan.disks.keys() == plan.topology.by_id.keys()


def test_a_second_user_network_has_a_host_of_its_own(plan: LabPlan) -> None:
    users = [node.id for node in plan.topology.nodes if node.site == "treasury" and node.kind == "user"]
    assert users == ["host-treasury", "host-treasury-v32"]


def test_every_cable_has_both_its_ports_and_no_port_has_two_cables(network: Network, plan: LabPlan) -> None:
    ends = [end for link in plan.topology.links for end in link.ends]
    assert len(ends) == len(set(ends)) == 2 * (len(network.wires) + len(network.nets))
    wired = {link.name: set(link.ends) for link in plan.topology.links}
    for wire in network.wires:
        assert wired[wire.name] == {Plug(end.node, end.port) for end in wire.ends}


def test_a_users_port_is_wired_to_the_port_of_its_network(network: Network, plan: LabPlan) -> None:
    net = network.nets_of("acc-treasury")[1]
    link = next(link for link in plan.topology.links_of("host-treasury-v32"))
    assert link.ends == (Plug("acc-treasury", net.port), Plug("host-treasury-v32", "eth0"))


@pytest.mark.parametrize(
    ("link", "down"),
    [
        ("hub--upstream", "upstream"),
        ("hub--ring-n", "hub"),
        ("acc-mill--hub", "hub"),
        ("hub--warden", "hub"),
        ("acc-mill--host-mill", "acc-mill"),
    ],
)
def test_a_cut_leaves_the_smaller_ends_port_switched_on(plan: LabPlan, link: str, down: str) -> None:
    assert next(found for found in plan.topology.links if found.name == link).ends[0].node == down


def test_a_device_starts_from_its_day_0_files_and_runs_bgp_only_at_a_city_line(plan: LabPlan) -> None:
    assert seen(plan, "hub")["/etc/network/interfaces"].content == DAY0
    on = {
        node.id
        for node in plan.topology.nodes
        if "bgpd=yes" in seen(plan, node.id).get("/etc/frr/daemons", File("")).content
    }
    assert on == {"hub", "ring-l", "upstream"}


def test_only_the_management_account_gets_in_and_on_devices_to_one_program_only(plan: LabPlan) -> None:
    assert (
        seen(plan, "hub")["/etc/sudoers.d/keeper"].content
        == "keeper ALL=(ALL) NOPASSWD: /usr/local/sbin/netdr-device\n"
    )
    assert seen(plan, "store")["/etc/sudoers.d/keeper"].content == "keeper ALL=(ALL) NOPASSWD: ALL\n"
    assert "PermitRootLogin no" in seen(plan, "store")["/etc/ssh/sshd_config"].content
    assert "/etc/ssh/sshd_config" not in seen(plan, "host-mill")
    assert "/etc/ssh/sshd_config" not in seen(plan, "upstream")


def test_a_private_key_is_on_its_own_disk_only(plan: LabPlan) -> None:
    for node in plan.topology.nodes:
        text = "\n".join(file.content for file in seen(plan, node.id).values())
        own = {f"private-{node.id}"} if node.kind in {"device", "host"} else set()
        held = {f"private-{other}" for other in plan.topology.by_id if f"private-{other}" in text.split()}
        assert held == own


def test_controllers_know_every_managed_machine_by_its_pinned_key(network: Network, plan: LabPlan) -> None:
    for controller in ("warden", "warden-b"):
        known = plan.disks[controller]["/var/lib/netdr/ssh/known_hosts"].content.splitlines()
        assert len(known) == 17
        assert f"{network.node('hub').loopback} ssh-ed25519 public-hub" in known
        assert f"{network.node('store').loopback},store ssh-ed25519 public-store" in known
        assert plan.disks[controller]["/var/lib/netdr/vault-password"].mode == 0o600
    assert not any(path.startswith("/var/lib/netdr/") for path in plan.disks["store"])


def test_a_command_on_a_controller_finds_netdr_its_state_and_its_district(plan: LabPlan) -> None:
    controller = plan.topology.node("warden-b")
    assert controller.environment["PATH"].startswith("/opt/netdr/.venv/bin:")
    assert controller.environment["NETDR_STATE"] == "/var/lib/netdr"
    assert controller.environment["NETDR_INVENTORY"] == "/opt/netdr/inventory/linwu"
    assert "NETDR_STATE" not in plan.topology.node("store").environment


def test_every_machine_knows_every_name(network: Network, plan: LabPlan) -> None:
    names = seen(plan, "host-mill")["/etc/hosts"].content
    for node in plan.topology.nodes:
        assert f"{node.address}\t{node.id}\n" in names
    for service, address in network.services.items():
        assert f"{address}\t{service}\n" in names


def test_a_server_sends_over_each_of_its_links_and_has_no_route_besides(network: Network, plan: LabPlan) -> None:
    script = plan.disks["warden"][BOOT].content
    wire = network.wires_of("warden")[0]
    assert f"nexthop via {wire.far('warden').address.ip} dev {wire.end('warden').port}" in script
    assert script.count("nexthop") == len(network.wires_of("warden"))


def test_services_start_at_the_first_boot_of_their_home_only(plan: LabPlan) -> None:
    first = {node for node, files in plan.disks.items() if FIRST_START in files}
    assert first == {"store"}


def test_the_city_answers_in_each_zone_behind_it_and_asks_for_the_password(network: Network, plan: LabPlan) -> None:
    files = seen(plan, "upstream")
    zones = [zone for zone in network.district.zones if zone.kind == "external"]
    assert len(outside(network)) == len(zones) > 0
    for zone, address in zip(zones, outside(network), strict=True):
        assert any(address in prefix for prefix in zone.prefixes)
        assert f"address {address}/32" in files["/etc/network/interfaces"].content
    assert files["/etc/frr/frr.conf"].content.count("password bgp-password") == len(network.district.uplink.peers)
    assert files["/etc/frr/frr.conf"].mode == 0o640


def test_printing_a_plan_shows_no_secret(plan: LabPlan) -> None:
    for secret in ("open-sesame", "bgp-password", "private-hub"):
        assert secret not in repr(plan)


def test_a_topology_survives_being_written_down(plan: LabPlan) -> None:
    assert Topology.of(json.loads(json.dumps(plan.topology.as_dict()))) == plan.topology
