"""A real lab: up, broken, healed, killed half-way, down. Nothing of it gets out, nothing of it stays."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import control, processes, services, state
from lab.converge import converge
from lab.testing import NETDR, RunningLab
from netdr.kernel.errors import Problems

pytestmark = pytest.mark.lab

DAEMONS = {"zebra", "staticd", "ospfd", "bfdd", "snmpd", "sshd", "lldpd", "rsyslogd", "chronyd"}


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"not within {seconds} s"
        time.sleep(0.2)


def port(lab: RunningLab, node: str, name: str) -> set[str]:
    """The flags of a port: UP is the switch, LOWER_UP the carrier (ip-link(8))."""
    [found] = json.loads(lab.run(node, "ip", "-json", "link", "show", "dev", name).stdout)
    return set(found["flags"])


def look(namespace: str, *argv: str) -> str:
    """What a program says in the namespace of a node that has no power."""
    inside = ["ip", "netns", "exec", namespace, *argv]
    return subprocess.run(inside, capture_output=True, text=True, check=True).stdout


def wire_ports(lab: RunningLab, name: str, node: str) -> tuple[str, str]:
    wire = next(wire for wire in lab.network.wires if wire.name == name)
    return wire.end(node).port, wire.far(node).port


@pytest.fixture
def healed(running_lab: RunningLab) -> Iterator[RunningLab]:
    """The lab, whole again afterwards: services do not start at boot, so they are started."""
    yield running_lab
    now = control.status(running_lab.name)
    for target in (*now.cut, *(node.id for node in now.nodes if not node.power)):
        control.heal(running_lab.name, target)
    converge(state.running(running_lab.name).topology, 60)
    for host in running_lab.network.hosts("services"):
        for start in services.first_start(running_lab.network, host.id):
            assert running_lab.run(host.id, *start).returncode == 0


def test_a_device_runs_every_daemon_under_a_process_1_that_reaps(running_lab: RunningLab) -> None:
    found = running_lab.run("hub", "ps", "-eo", "pid=,comm=").stdout.split()
    assert set(found) > DAEMONS
    assert found[found.index("1") + 1] == "catatonit"
    running_lab.run("hub", "sh", "-c", "(true &) ; (true &)")
    assert "defunct" not in running_lab.run("hub", "ps", "-e").stdout


def test_the_daemons_that_debian_restarts_by_name_can_be(running_lab: RunningLab) -> None:
    before = running_lab.run("hub", "cat", "/run/snmpd.pid").stdout
    assert running_lab.run("hub", "service", "snmpd", "restart").returncode == 0
    assert running_lab.run("hub", "cat", "/run/snmpd.pid").stdout != before


def test_no_node_reaches_this_machine(running_lab: RunningLab) -> None:
    # Asking for the route to a documentation address (RFC 5737) sends nothing.
    route = ["ip", "-json", "route", "get", "192.0.2.1"]
    out = subprocess.run(route, capture_output=True, text=True, check=False).stdout
    local = json.loads(out)[0]["prefsrc"] if out else "192.0.2.1"
    for node in ("hub", "warden", "host-mill", "upstream"):
        assert running_lab.run(node, "ping", "-c", "1", "-W", "1", local).returncode != 0, node


def test_no_cable_of_the_lab_ends_on_this_machine(running_lab: RunningLab) -> None:
    def ask(*argv: str) -> list[dict[str, str]]:
        return list(json.loads(subprocess.run(["ip", "-json", *argv], capture_output=True, check=True).stdout or "[]"))

    names = {entry["nsid"]: entry.get("name", "") for entry in ask("netns", "list-id")}
    far = [names.get(link["link_netnsid"], "") for link in ask("link") if "link_netnsid" in link]
    far += [link["link_netns"] for link in ask("link") if "link_netns" in link]
    assert not [name for name in far if name.startswith(f"{running_lab.name}.")]
    for node in state.running(running_lab.name).topology.nodes:
        name = state.namespace(running_lab.name, node.id)
        links = json.loads(look(name, "ip", "-json", "-detail", "link"))
        # A device that was deployed to has bridges, its VLANs: they have no other end.
        kinds = {link["linkinfo"]["info_kind"] for link in links if link["ifname"] != "lo"}
        assert "veth" in kinds <= {"veth", "bridge"}, node


def test_a_node_does_not_see_what_is_the_machines(running_lab: RunningLab) -> None:
    assert running_lab.run("hub", "ls", "/var/lib/netdr-lab", "/root/.ssh").stdout == "/var/lib/netdr-lab:\n"
    assert running_lab.run("hub", "cat", str(running_lab.state / "vault-password")).returncode != 0
    keys = running_lab.run("hub", "sh", "-c", "ls /etc/ssh/*_key").stdout
    assert keys == "/etc/ssh/ssh_host_ed25519_key\n"
    people = running_lab.run("hub", "cut", "-d:", "-f3", "/etc/passwd").stdout.split()
    assert not [uid for uid in people if 1000 <= int(uid) < 65534]
    variables = running_lab.run("hub", "env").stdout
    assert {line.partition("=")[0] for line in variables.splitlines()} <= {"PATH", "HOME", "TERM", "LANG", "LC_ALL"}


def test_nobody_but_root_looks_into_a_labs_disks(running_lab: RunningLab) -> None:
    for folder in (state.disks(running_lab.name), state.run_folder(running_lab.name)):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_a_controller_logs_in_by_pinned_key_and_only_to_one_program(running_lab: RunningLab) -> None:
    hub = str(running_lab.network.node("hub").loopback)
    options = ["-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/var/lib/netdr/ssh/known_hosts"]
    ssh = ["ssh", "-i", "/var/lib/netdr/ssh/id_ed25519", *options, f"keeper@{hub}"]
    assert running_lab.run("warden", *ssh, "id -un").stdout == "keeper\n"
    assert running_lab.run("warden", *ssh, "sudo -n id").returncode != 0
    assert running_lab.run("warden", *ssh, "sudo -n /usr/local/sbin/netdr-device running").returncode == 0
    other = [word.replace("keeper@", "root@") for word in ssh]
    assert running_lab.run("warden", *other, "id").returncode != 0


def test_a_command_runs_in_a_node_and_its_exit_status_is_ours(running_lab: RunningLab) -> None:
    done = running_lab.netdr("lab", "exec", "--name", running_lab.name, "hub", "--", "sh", "-c", "hostname; exit 7")
    assert (done.returncode, done.stdout) == (7, "hub\n")
    unknown = running_lab.netdr("lab", "exec", "--name", running_lab.name, "hubb", "--", "true")
    assert unknown.returncode == 12
    assert "unknown node 'hubb'; known: acc-archive" in unknown.stderr


def test_status_tells_programs_what_there_is(running_lab: RunningLab) -> None:
    done = running_lab.netdr("lab", "status", "--name", running_lab.name, "--json")
    found = json.loads(done.stdout)
    assert {node["id"] for node in found["nodes"] if node["power"]} == set(
        state.running(running_lab.name).topology.by_id
    )
    assert 0 < found["memory_mb"] < 3000
    assert (found["lab"], found["stage"]) == (running_lab.name, "up")


def test_a_cut_cable_is_seen_at_the_far_end_as_a_lost_carrier(healed: RunningLab) -> None:
    near, far = wire_ports(healed, "hub--ring-n", "hub")
    assert control.break_(healed.name, "ring-n--hub") == ("hub--ring-n",)
    assert control.status(healed.name).cut == ("hub--ring-n",)
    assert "UP" not in port(healed, "hub", near)
    assert "UP" in port(healed, "ring-n", far)
    assert "LOWER_UP" not in port(healed, "ring-n", far)
    assert control.heal(healed.name, "hub--ring-n") == ("hub--ring-n",)
    wait_for(lambda: "LOWER_UP" in port(healed, "ring-n", far))
    assert control.status(healed.name).cut == ()


def test_a_lost_site_has_nothing_in_memory_and_keeps_its_disks(healed: RunningLab) -> None:
    healed.run("store", "sh", "-c", "echo kept > /srv/kept; mkdir /run/lost")
    far = wire_ports(healed, "hub--ring-n", "hub")[1]
    assert control.break_(healed.name, "hall") == ("hub", "warden", "store")
    for node in ("hub", "warden", "store"):
        name = state.namespace(healed.name, node)
        assert not processes.in_namespaces([name])
        assert "inet" not in look(name, "ip", "address")
        assert look(name, "ip", "route") == ""
        assert look(name, "nft", "list", "ruleset") == ""
    assert "LOWER_UP" not in port(healed, "ring-n", far)
    with pytest.raises(Exception, match="the node hub has no power"):
        control.enter(healed.name, "hub")
    assert control.heal(healed.name, "hall") == ("hub", "warden", "store")
    assert healed.run("store", "cat", "/srv/kept").stdout == "kept\n"
    assert healed.run("store", "ls", "/run/lost").stdout == ""


def test_a_cut_cable_stays_cut_when_its_node_comes_back(healed: RunningLab) -> None:
    near = wire_ports(healed, "hub--ring-n", "hub")[0]
    control.break_(healed.name, "hub--ring-n")
    control.break_(healed.name, "hub")
    control.heal(healed.name, "hub")
    assert "UP" not in port(healed, "hub", near)


def test_what_is_not_reached_is_named_with_the_neighbours_it_has(healed: RunningLab) -> None:
    topology = state.running(healed.name).topology
    control.break_(healed.name, "acc-ferry--ring-l")
    ferry = healed.network.node("acc-ferry").loopback
    # BFD, then OSPF's dead interval (district.yaml: 4 s): until then the neighbour is not yet gone.
    ask = ("vtysh", "-c", "show ip ospf neighbor json")
    wait_for(lambda: json.loads(healed.run("acc-ferry", *ask).stdout)["neighbors"] == {})
    with pytest.raises(Problems) as caught:
        converge(topology, 3)
    [problem] = caught.value.problems
    assert str(problem) == f"acc-ferry ({ferry}) is not reachable from warden: its OSPF neighbours: none"


def test_healing_what_is_not_broken_leaves_it_alone(running_lab: RunningLab) -> None:
    before = processes.in_namespaces([state.namespace(running_lab.name, "hub")])
    assert control.heal(running_lab.name, "hub") == ()
    assert control.heal(running_lab.name, "hub--ring-n") == ()
    assert set(before) <= set(processes.in_namespaces([state.namespace(running_lab.name, "hub")]))


def test_what_cannot_be_broken_is_refused_with_what_can(running_lab: RunningLab) -> None:
    with pytest.raises(Exception, match=r"unknown link, node or site 'moon'; known: .*hub--ring-n, .*lake"):
        control.break_(running_lab.name, "moon")


def test_a_lab_that_is_up_is_not_built_again(running_lab: RunningLab) -> None:
    again = running_lab.netdr("lab", "up", "--name", running_lab.name)
    assert again.returncode == 12
    assert "is up already" in again.stderr
    assert control.status(running_lab.name).stage == "up"


def test_two_commands_do_not_change_a_lab_at_once(running_lab: RunningLab) -> None:
    with state.lock(running_lab.name):
        other = running_lab.netdr("lab", "break", "--name", running_lab.name, "hub")
    assert other.returncode == 12
    assert f"process {os.getpid()}" in other.stderr


def begin(lab: RunningLab, name: str, until: str) -> subprocess.Popen[str]:
    """Start bringing a lab up and return when it says ``until``."""
    argv = [NETDR, "--state", str(lab.state), "-i", str(lab.folder), "lab", "up", "--name", name]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    started = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert started.stderr is not None
    said = ""
    while until not in said:
        letter = started.stderr.read(1)
        assert letter, said
        said += letter
    return started


@pytest.mark.parametrize("when", ["making disks", "making namespaces", "booting nodes", "waiting until"])
def test_a_lab_killed_half_way_is_removed_without_a_trace(running_lab: RunningLab, when: str) -> None:
    name = f"{running_lab.name}-killed"
    started = begin(running_lab, name, when)
    time.sleep(0.3)
    started.kill()
    started.communicate()
    assert len(control.leftovers(name)) > 0
    done = running_lab.netdr("lab", "down", "--name", name)
    assert done.returncode == 0, done.stderr
    left = control.leftovers(name)
    assert len(left) == 0, left
    assert name not in state.names()


def test_the_next_up_removes_what_a_killed_one_left(running_lab: RunningLab) -> None:
    name = f"{running_lab.name}-again"
    started = begin(running_lab, name, "booting nodes")
    started.kill()
    started.communicate()
    try:
        done = running_lab.netdr("lab", "up", "--name", name)
        assert done.returncode == 0, done.stderr
        assert all(node.power for node in control.status(name).nodes)
    finally:
        left = control.down(name)
    assert len(left) == 0, left


def test_ctrl_c_removes_the_lab_and_says_so(running_lab: RunningLab) -> None:
    name = f"{running_lab.name}-stopped"
    started = begin(running_lab, name, "booting nodes")
    time.sleep(0.5)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert f"interrupted: the lab {name} is removed" in said
    left = control.leftovers(name)
    assert len(left) == 0, left


def test_taking_down_what_is_not_there_is_no_mistake(running_lab: RunningLab) -> None:
    assert len(control.down(f"{running_lab.name}-never")) == 0
    assert not Path(f"/run/netdr-lab/{running_lab.name}-never.lock").exists()
