"""A lab of three nodes: ``sw`` (the device), ``peer`` (another router), ``ctl`` (where netdr would run)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

# The suite decides when it is imported whether it talks to a device or to recorded answers.
os.environ.setdefault("NAPALM_TEST_MOCK", "0")

from napalm.base.test import conftest as suite

from lab import commands, control, disk, install, machine, netns, node, state, wiring
from lab.files import File
from lab.keys import host_key
from lab.model import BOOT, Kind, LabLink, LabNode, LabPlan, Plug, Topology
from netdr.kernel.errors import MissingError
from nornir_tasks.drivers import linux_device
from nornir_tasks.drivers.linux import LinuxDriver

CASES = Path(__file__).parent / "linux"
PROGRAM = "/usr/local/sbin/netdr-device"
ADDRESS = "10.99.0.1"
T = TypeVar("T")
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

_LOOK = (
    "hostname",
    "nft -s list ruleset",
    "vtysh -c 'show running-config'",
    "ip -o address | sed 's/valid_lft.*//'",
    "ip route show table all | grep -v 'proto [bo]' | sed 's/ nhid [0-9]*//' | sort",
    "pidof snmpd sshd lldpd chronyd",
)

_PEER = """\
#: file /etc/frr/frr.conf mode=0640 owner=frr:frr
hostname peer
!
interface lo
 ip ospf area 0.0.0.0
exit
!
interface swp1
 ip ospf area 0.0.0.0
 ip ospf bfd
 ip ospf network point-to-point
exit
!
router bgp 65002
 bgp router-id 10.98.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.97.0.0 remote-as 65001
 !
 address-family ipv4 unicast
  network 1.0.4.0/24
 exit-address-family
exit
!
router ospf
 ospf router-id 10.98.0.2
exit
!
#: file /etc/hostname mode=0644 owner=root:root
peer
#: file /etc/lldpd.d/netdr.conf mode=0644 owner=root:root
configure lldp tx-interval 1
#: file /etc/network/interfaces mode=0644 owner=root:root
auto lo
iface lo inet loopback
    address 10.98.0.2/32
    address 8.8.8.8/32

auto swp1
iface swp1
    address 10.97.0.1/31
"""
_CTL = """\
#!/bin/sh -e
ip link set lo up
ip address add 10.99.0.0/31 dev eth0
ip link set eth0 up
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite.pytest_generate_tests(metafunc, __file__)


@dataclass(frozen=True)
class Rig:
    """The lab while it runs. ``texts`` are the configurations of the test cases with the lab's own key in them."""

    name: str
    texts: Path
    key_file: Path
    known_hosts: Path

    def run(self, where: str, *argv: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside a node."""
        return commands.run([*control.enter(self.name, where), *argv], text=text, check=check)

    def device(self, *argv: str, text: str = "", check: bool = True) -> str:
        """Run netdr-device on the device, as its console would, and return what it prints."""
        return self.run("sw", PROGRAM, *argv, text=text, check=check).stdout

    def commit(self, name: str, *options: str) -> dict[str, Any]:
        """Commit one of the test cases' configurations, or a text, and return the answer."""
        text = name if name.startswith("#:") else self.text(name)
        return dict(json.loads(self.device("commit", *options, text=text, check=False)))

    def start(self, where: str, *argv: str) -> subprocess.Popen[str]:
        """Start a program inside a node."""
        pipe = subprocess.PIPE
        inside = [*control.enter(self.name, where), *argv]
        return subprocess.Popen(inside, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    @staticmethod
    def end(process: subprocess.Popen[str]) -> str:
        """Kill a started program, and return what it had printed. nsenter has forked, so all of its session goes."""
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]

    def file(self, path: str) -> Path:
        """Return a file of the device as this machine sees it, so that looking does not wake netdr-device."""
        return Path(f"/proc/{state.pid_file(self.name, 'sw').read_text().strip()}/root{path}")

    def snapshot(self) -> dict[str, str]:
        """Return what the device has on disk, in the kernel and in its daemons, seen without netdr-device."""
        found = {path: self.file(path).read_text() for path in linux_device.OWNED if self.file(path).exists()}
        for command in _LOOK:
            found[command] = self.run("sw", "sh", "-c", command).stdout
        return found

    def from_ctl(self, action: Callable[[], T]) -> T:
        """Do something whose sockets are to belong to the controller's network."""
        with ThreadPoolExecutor(1, initializer=netns.enter, initargs=(state.namespace(self.name, "ctl"),)) as pool:
            return pool.submit(action).result()

    def driver(self, **options: object) -> LinuxDriver:
        """Return a driver that is not open yet."""
        paths = {"key_file": str(self.key_file), "known_hosts": str(self.known_hosts)}
        return LinuxDriver(ADDRESS, "netdr", "", timeout=30, optional_args={**paths, **options})

    def opened(self, **options: object) -> LinuxDriver:
        """Return an open driver."""
        driver = self.driver(**options)
        self.from_ctl(driver.open)
        return driver

    def text(self, name: str) -> str:
        """Return one of the test cases' configurations."""
        return (self.texts / f"{name}.conf").read_text()

    def restart(self) -> None:
        """Take the device's power away and give it back."""
        control.break_(self.name, "sw")
        control.heal(self.name, "sw")


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    try:
        machine.check()
    except MissingError as error:
        pytest.skip(str(error))
    for name in state.names():
        if name.startswith("driver-") and not Path(f"/proc/{name.removeprefix('driver-')}").exists():
            control.down(name)
    name = f"driver-{os.getpid()}"
    folder = tmp_path_factory.mktemp("rig")
    try:
        made = _build(name, folder)
        settle(made)
        yield made
    finally:
        left = control.down(name)
    assert not len(left), left


def _build(name: str, folder: Path) -> Rig:
    keys = {"sw": host_key(), "peer": host_key(), "netdr": host_key()}
    rig = Rig(name, folder / "linux", folder / "id", folder / "known_hosts")
    rig.key_file.touch(mode=0o600)
    rig.key_file.write_text(keys["netdr"].private.reveal())
    rig.known_hosts.write_text(f"{ADDRESS} {keys['sw'].public}\n")
    shutil.copytree(CASES, rig.texts)
    for path in rig.texts.glob("*.conf"):
        path.write_text(path.read_text().replace("TEST_KEY", keys["netdr"].public))
    topology = Topology(
        name,
        (
            LabNode("sw", "device", "s", ADDRESS, _PATH),
            LabNode("peer", "device", "p", "", _PATH),
            LabNode("ctl", "user", "c", "", _PATH),
        ),
        (
            LabLink("sw--peer", (Plug("sw", "swp1"), Plug("peer", "swp1"))),
            LabLink("sw--ctl", (Plug("sw", "swp2"), Plug("ctl", "eth0"))),
        ),
    )
    hosts = "127.0.0.1\tlocalhost\n10.98.0.1\tsw\n10.98.0.2\tpeer\n10.99.0.0\tctl\n"
    program = Path(linux_device.__file__).read_text()
    access = install.login(install.Login("netdr", keys["netdr"].public, PROGRAM))
    router = {**install.common(hosts, router=True), **access, **install.daemons(), **install.device(program)}
    bases: dict[Kind, dict[str, File]] = {"device": router, "user": {**install.common(hosts, router=False)}}
    disks: dict[str, dict[str, File]] = {"ctl": {**install.identity("ctl"), BOOT: File(_CTL, 0o755)}}
    for called, text in (("sw", rig.text("initial")), ("peer", _PEER)):
        own = {f.path: File(f.content, int(f.mode, 8), f.owner) for f in linux_device.parse(text)}
        disks[called] = {
            **install.identity(called, keys[called]),
            **install.routing({"ospfd", "bgpd", "bfdd"}),
            **own,
        }
    state.save(state.LabState(topology, "starting"))
    disk.prepare(LabPlan(topology, bases, disks), "netdr")
    wiring.build(topology)
    for one in topology.nodes:
        node.boot(topology, one.id)
    state.save(state.LabState(topology, "up"))
    return rig


def settle(rig: Rig) -> None:
    """Wait until the device has heard of its neighbour in every way that the tests ask about."""
    signs = {
        ("vtysh", "-c", "show ip ospf neighbor"): "Full",
        ("vtysh", "-c", "show ip route 1.0.4.0/24"): "best",
        ("vtysh", "-c", "show ip route 8.8.8.8/32"): "best",
        ("lldpcli", "show", "neighbors"): "peer",
    }
    limit = time.monotonic() + 60
    while missing := [argv for argv, sign in signs.items() if sign not in rig.run("sw", *argv).stdout]:
        assert time.monotonic() < limit, missing
        time.sleep(0.2)


@pytest.fixture
def initial(rig: Rig) -> Iterator[Rig]:
    """The rig with the device as it was at first, before and after."""
    _reset(rig)
    yield rig
    _reset(rig)


def _reset(rig: Rig) -> None:
    if '"pending": true' in rig.device("pending"):
        rig.device("rollback")
    rig.device("commit", text=rig.text("initial"))
    assert rig.device("running") == rig.text("initial")
