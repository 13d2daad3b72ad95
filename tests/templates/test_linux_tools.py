"""The linux platform's text against the programs that read it, for every device of both districts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inventory import load
from inventory import secrets as vault
from inventory.intent import home_placement
from inventory.network import Network
from netdr.kernel.secret import Secret
from nornir_tasks import render
from nornir_tasks.drivers.linux_device import parse

ROOT = Path(__file__).parents[2]
FOLDERS = {"suxian": ROOT / "inventory" / "suxian", "linwu": ROOT / "tests" / "districts" / "linwu"}
PROGRAMS = {
    "vtysh": ("frr.conf", ("vtysh", "-C", "-f")),
    "nft": ("nftables.conf", ("unshare", "-n", "nft", "-c", "-f")),
    "chronyd": ("chrony.conf", ("chronyd", "-p", "-f")),
}
# One script for each check that needs daemons: it runs in namespaces of its own, and whatever it starts ends with it.
ALONE = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euc")

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: configurations are checked in namespaces"),
]


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module", params=FOLDERS)
def network(request: pytest.FixtureRequest) -> Network:
    return load.network(FOLDERS[request.param])


@pytest.fixture(scope="module")
def secrets(network: Network) -> Mapping[str, Secret]:
    references = vault.references(network.district)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6nq1gGzW3k6w0m1E3vCq2mJv0g1mF9mS8m7Jf0a9xk test"
    named = network.district.settings.management.authorized_key.secret
    return {r.name: Secret(key if r.name == named else f"test-{number:011}") for number, r in enumerate(references)}


@pytest.fixture(scope="module")
def disks(network: Network, secrets: Mapping[str, Secret], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write every device's files below a folder of its own."""
    found = {}
    for device, text in render.render_all(network, home_placement(network), secrets).items():
        found[device] = tmp_path_factory.mktemp(device)
        for file in parse(text):
            path = found[device] / file.path.rpartition("/")[2]
            path.write_text(file.content, encoding="utf-8")
    return found


def run(*argv: str, limit: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, timeout=limit, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_own_check_accepts_every_device(disks: dict[str, Path], program: str) -> None:
    need(program)
    name, argv = PROGRAMS[program]
    done = {device: run(*argv, str(folder / name)) for device, folder in disks.items()}
    assert {device: result.stdout + result.stderr for device, result in done.items() if result.returncode} == {}


def test_sshd_accepts_every_device(disks: dict[str, Path], tmp_path: Path) -> None:
    need("/usr/sbin/sshd", "ssh-keygen")
    key = tmp_path / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    # sshd wants its empty folder below /run, which a machine has only once sshd was started there.
    alone = ("unshare", "--mount", "sh", "-euc", 'mount -t tmpfs none /run; mkdir /run/sshd; exec "$0" "$@"')
    for folder in disks.values():
        done = run(*alone, "/usr/sbin/sshd", "-t", "-f", str(folder / "sshd_config"), "-o", f"HostKey={key}")
        assert (done.returncode, done.stderr) == (0, "")


def test_rsyslogd_accepts_every_device(disks: dict[str, Path]) -> None:
    need("rsyslogd")
    for folder in disks.values():
        done = run("rsyslogd", "-N1", "-f", str(folder / "netdr.conf"))
        # Without the main file there are no inputs and no rule set but this one, of which it is all the same judge.
        assert "syntax error" not in done.stderr
        assert "omfwd" not in done.stderr


IFUPDOWN2 = """
mount -t tmpfs none /run && mkdir /run/network
mount -t tmpfs none /var/tmp
mount -t sysfs none /sys
for port; do ip link add "$port" type veth peer name "far-$port"; ip link set "far-$port" up; done
ifup -a -i "$0" >&2
ip -json address
"""


def test_ifupdown2_brings_up_every_address(network: Network, disks: dict[str, Path]) -> None:
    need("ifup", "unshare")
    for device in devices_of_each_kind(network):
        ends = {e.port: str(e.address) for wire in network.wires_of(device) for e in wire.ends if e.node == device}
        nets = {f"br{n.vlan.id}": f"{n.gateway}/{n.prefix.prefixlen}" for n in network.nets_of(device)}
        ports = (*ends, *(net.port for net in network.nets_of(device)))
        done = run(*ALONE, IFUPDOWN2, str(disks[device] / "interfaces"), *ports)
        assert done.returncode == 0, done.stderr
        links = {link["ifname"]: link for link in json.loads(done.stdout)}
        wanted = {"lo": f"{network.nodes[device].loopback}/32", **ends, **nets}
        assert {port: wanted[port] for port in wanted if wanted[port] not in addresses(links[port])} == {}
        assert all(links[net.port]["master"] == f"br{net.vlan.id}" for net in network.nets_of(device))
        assert [port for port in wanted if "UP" not in links[port]["flags"]] == []


def addresses(link: dict[str, Any]) -> set[str]:
    return {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"}


FRR = """
mount -t tmpfs none /run
mkdir /run/frr && chown frr:frr /run/frr
mount -t tmpfs none /etc/frr
install -o frr -g frr -m 0640 "$0" /etc/frr/frr.conf
: >/etc/frr/vtysh.conf
hostname "$1"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
for daemon in "zebra -M snmp" bfdd staticd "ospfd -M snmp" "bgpd -M snmp"; do
    /usr/lib/frr/$daemon -d -A 127.0.0.1 >/dev/null 2>&1
done
for try in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(ls /run/frr/*.vty | wc -l)" = 5 ] && break
    sleep 0.2
done
vtysh -b >/dev/null 2>&1
vtysh -c 'show running-config'
"""


def devices_of_each_kind(network: Network) -> Iterator[str]:
    borders = {peer.device for peer in network.district.uplink.peers}
    kinds: dict[tuple[str, bool, int], str] = {}
    for node in network.devices:
        kinds.setdefault((node.role, node.id in borders, len(network.nets_of(node.id))), node.id)
    yield from kinds.values()


def test_frr_prints_what_was_rendered(network: Network, disks: dict[str, Path]) -> None:
    """The text is canonical: compared with what runs, there is no difference that means nothing."""
    need("vtysh", "unshare")
    for device in devices_of_each_kind(network):
        path = disks[device] / "frr.conf"
        done = run(*ALONE, FRR, str(path), device)
        _, _, running = done.stdout.partition("Current configuration:\n!\n")
        assert running.removesuffix("end\n") == path.read_text(encoding="utf-8"), device


SNMP = """
mount -t tmpfs none /run
mount -t tmpfs none /var/lib/snmp && chown Debian-snmp /var/lib/snmp
mkdir -p /var/agentx && mount -t tmpfs none /var/agentx
ip link set lo up
ip address add "$1" dev lo
export MIBS=
snmpd -Lf /dev/null -u Debian-snmp -g Debian-snmp -C -c "$0" -p /run/snmpd.pid
shift
snmpget -v3 -t 1 -r 5 -Oqv "$@" 1.3.6.1.2.1.1.5.0 1.3.6.1.6.3.10.2.1.1.0
"""


def test_snmpd_takes_the_localised_keys_for_the_passphrases(
    network: Network, secrets: Mapping[str, Secret], disks: dict[str, Path]
) -> None:
    need("snmpd", "snmpget", "unshare")
    device, user = network.devices[0], network.district.settings.management.snmp
    protocol = f"SHA-{user.auth_protocol[3:]}"
    keys = ("-A", secrets[user.auth_secret.secret].reveal(), "-X", secrets[user.priv_secret.secret].reveal())
    argv = ("-l", "authPriv", "-u", user.name, "-a", protocol, "-x", "AES", *keys, str(device.loopback))
    done = run(*ALONE, SNMP, str(disks[device.id] / "snmpd.conf"), str(device.loopback), *argv)
    name, engine = done.stdout.splitlines()
    assert name == f'"{device.id}"'
    assert bytes.fromhex(engine.strip('" ')) == bytes.fromhex("80001f8801") + device.loopback.packed


def test_snmpd_refuses_another_passphrase(
    network: Network, secrets: Mapping[str, Secret], disks: dict[str, Path]
) -> None:
    need("snmpd", "snmpget", "unshare")
    device, user = network.devices[0], network.district.settings.management.snmp
    keys = ("-A", "wrong-passphrase", "-X", secrets[user.priv_secret.secret].reveal())
    argv = ("-l", "authPriv", "-u", user.name, "-a", f"SHA-{user.auth_protocol[3:]}", "-x", "AES", *keys)
    done = run(*ALONE, SNMP, str(disks[device.id] / "snmpd.conf"), str(device.loopback), *argv, str(device.loopback))
    assert "Authentication failure" in done.stderr
