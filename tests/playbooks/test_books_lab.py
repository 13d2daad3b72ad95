"""The four playbooks on the second district, as its operators run them: on a controller, from day 0."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from inventory import load
from lab import control
from lab.testing import RunningLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
LINWU = ROOT / "tests" / "districts" / "linwu"
CONTROLLER, DR_CONTROLLER, DR_HOST, UNIT = "warden", "warden-b", "store-b", "acc-mill"
DEVICES = 13
DAEMONS = {"netdr-exporter", "netdr-alertmanager", "netdr-prometheus"}
_RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Played:
    """How a playbook ended: its exit code, what it printed, and what the recap says of each host."""

    code: int
    text: str

    @property
    def changed(self) -> dict[str, int]:
        """How much changed on each host where something did. A host that failed or was not reached is an error."""
        recap = {host: [int(number) for number in rest] for host, *rest in _RECAP.findall(self.text)}
        assert recap, self.text
        assert not any(unreachable or failed for _, _, unreachable, failed in recap.values()), self.text
        return {host: changed for host, (_, changed, _, _) in recap.items() if changed}


@dataclass(frozen=True)
class Site:
    """A running lab on a folder of its own, whose files a test may change."""

    lab: RunningLab

    def at(self, node: str, *argv: str) -> CompletedProcess[str]:
        return self.lab.run(node, *argv, limit=300)

    def play(self, book: str, *arguments: str) -> Played:
        config = f"ANSIBLE_CONFIG={ROOT / 'playbooks' / 'ansible.cfg'}"
        argv = ("env", config, "ansible-playbook", str(ROOT / "playbooks" / book), *arguments)
        done = self.lab.run(CONTROLLER, *argv, limit=400)
        return Played(done.returncode, done.stdout + done.stderr)

    def running(self, device: str) -> str:
        return self.at(device, "/usr/local/sbin/netdr-device", "running").stdout

    def daemons(self, node: str) -> dict[str, str]:
        """Return the process ids of netdr's daemons on a node, by name."""
        ask = 'for file in /run/netdr-*.pid; do [ -e "$file" ] && echo "$(basename "$file" .pid) $(cat "$file")"; done'
        lines = self.at(node, "sh", "-c", ask).stdout.splitlines()
        return dict(line.split() for line in lines)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The district after a first deploy.yml and a first site.yml."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    folder = tmp_path_factory.mktemp("playbooks") / "linwu"
    shutil.copytree(LINWU, folder, ignore=shutil.ignore_patterns(".netdr"))
    lab = RunningLab(f"books-{os.getpid()}", load.network(folder), folder, tmp_path_factory.mktemp("state"))
    up = lab.netdr("lab", "up", "--name", lab.name, limit=300)
    try:
        if up.returncode == 13:
            pytest.skip(up.stderr.strip())
        assert up.returncode == 0, up.stderr
        made = Site(lab)
        from_day_0(made)
        yield made
    finally:
        control.down(lab.name)


def from_day_0(site: Site) -> None:
    """Check mode says what would be done and does nothing; then it is done."""
    devices = [node.id for node in site.lab.network.devices]
    before = site.running(UNIT)
    checked = site.play("deploy.yml", "--check", "--diff", "-l", "role_access")
    access = [device for device in devices if device.startswith("acc-")]
    assert checked.changed == dict.fromkeys(access, 1)
    assert "+table inet netdr {" in checked.text
    assert site.running(UNIT) == before

    assert site.play("site.yml", "--check").changed == {CONTROLLER: 1, DR_CONTROLLER: 1}
    assert site.at(CONTROLLER, "ls", "/etc/netdr/monitor").returncode != 0

    assert site.play("deploy.yml", "-e", "ticket=CHG-0142").changed == dict.fromkeys(devices, 1)
    assert site.running(UNIT) != before
    first = site.play("site.yml")
    assert set(first.changed) == {CONTROLLER, DR_CONTROLLER, "localhost"}, first.text


def test_the_second_time_nothing_changes(site: Site) -> None:
    before = site.daemons(CONTROLLER)
    assert site.play("deploy.yml").changed == {}
    assert site.play("deploy.yml", "--check", "--diff").changed == {}
    assert site.play("site.yml").changed == {}
    assert site.daemons(CONTROLLER) == before


def test_the_daemons_run_at_the_main_site_as_the_account_and_rest_at_the_dr_site(site: Site) -> None:
    assert set(site.daemons(CONTROLLER)) == DAEMONS
    account = site.lab.network.district.settings.management.account
    for process in site.daemons(CONTROLLER).values():
        assert site.at(CONTROLLER, "ps", "-o", "user=", "-p", process).stdout.strip() == account
    assert site.daemons(DR_CONTROLLER) == {}
    listed = site.at(DR_CONTROLLER, "ls", "/etc/init.d", "/etc/netdr/monitor").stdout.split()
    assert {*DAEMONS, "prometheus.yml", "rules.yml", "alertmanager.yml"} <= set(listed)
    found = site.at(CONTROLLER, "netdr", "monitor", "wait", "--targets-up", "--timeout", "60", "--json")
    assert found.returncode == 0, found.stderr


def test_one_new_network_changes_one_device_and_the_recap_says_so(site: Site) -> None:
    units = site.lab.folder / "units.yaml"
    vlan = "      - {id: 31, name: desks, zone: desk, prefixlen: 24}\n"
    text = units.read_text()
    assert vlan in text
    units.write_text(text.replace(vlan, vlan + "      - {id: 33, name: annex, zone: desk, prefixlen: 27}\n", 1))
    assert site.lab.netdr("inventory", "allocate").returncode == 0
    elsewhere = site.play("deploy.yml", "-l", "role_aggregation")
    assert elsewhere.changed == {}
    assert set(site.play("deploy.yml").changed) == {"acc-school"}
    # The exporter reads the district: it is started anew.
    assert set(site.play("site.yml").changed) == {CONTROLLER, DR_CONTROLLER}


def test_a_daemon_is_started_anew_only_if_what_it_reads_has_changed(site: Site) -> None:
    before = site.daemons(CONTROLLER)
    district = site.lab.folder / "district.yaml"
    district.write_text(district.read_text() + "# a remark\n")
    assert set(site.play("site.yml").changed) == {CONTROLLER, DR_CONTROLLER}
    after = site.daemons(CONTROLLER)
    assert {name for name in DAEMONS if after[name] != before[name]} == {"netdr-exporter"}

    site.at(CONTROLLER, "sh", "-c", "echo '# by hand' >> /etc/netdr/monitor/rules.yml")
    again = site.play("site.yml")
    assert set(again.changed) == {CONTROLLER}
    assert site.daemons(CONTROLLER) == after
    assert "# by hand" not in site.at(CONTROLLER, "cat", "/etc/netdr/monitor/rules.yml").stdout


def test_backup_and_drill(site: Site) -> None:
    saved = site.play("backup.yml")
    assert saved.changed == {"localhost": 1}
    drill = site.play("drill.yml", "-e", "service=registry")
    assert drill.changed == {"localhost": 1}
    found = json.loads(site.at(CONTROLLER, "netdr", "backup", "list", "--json").stdout)
    assert all(report["ok"] for report in found["reports"])


def test_a_device_without_power_is_named_and_nothing_is_done(site: Site) -> None:
    control.break_(site.lab.name, UNIT)
    try:
        played = site.play("deploy.yml", "-l", f"{UNIT},acc-ferry")
    finally:
        control.heal(site.lab.name, UNIT)
    assert played.code == 2
    assert f"{UNIT}: no answer" in played.text
    assert "Traceback" not in played.text


def test_a_host_without_power_is_named(site: Site) -> None:
    control.break_(site.lab.name, DR_HOST)
    try:
        played = site.play("drill.yml")
    finally:
        control.heal(site.lab.name, DR_HOST)
    assert played.code == 2
    assert f"{DR_HOST} " in played.text
    assert "does not answer" in played.text
    assert "Traceback" not in played.text
    # Where there is no systemd, the backup server does not come back by itself.
    assert site.play("site.yml").changed == {}
    assert site.play("backup.yml").changed == {"localhost": 1}
