"""Deploying to all devices of the example district in the lab, against Ansible and a plain nornir_napalm loop.

*day-0*: from what a device has before netdr first reaches it to its whole configuration. *one-line change*: a second
time server, one line on every device. *no change*: everything is as it should be already.

All three run on the controller, with one worker per device, over SSH to the same devices:

* ours is ``netdr deploy --yes``, whole: render, read, plan, the devices' checks, commit with a revert timer wave by
  wave, the verification of every device and of its routing neighbours, confirmation, reading back.
* ansible-core (``peers/deploy.yml``) copies the files that we rendered for it beforehand and reloads what changed.
* plain nornir_napalm (``peers/nornir_loop.py``) is ``napalm_configure(replace=True)`` with our driver, on texts that
  we rendered for it beforehand.

The devices are put into the starting state before each run and looked at after it; neither is timed. A run after which
a device is not as wanted ends the bench.
"""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from box import Box, State, opened
from measure import OURS, Comparison, comparisons, interleaved, options, show

from netdr.kernel.errors import NetdrError
from nornir_tasks.drivers.linux_device import parse

COMMAND = "./run bench deploy"
PEERS = Path(__file__).with_name("peers")
ANSIBLE, NORNIR = "ansible-core", "plain nornir_napalm"
KEY, KNOWN_HOSTS = "/var/lib/netdr/ssh/id_ed25519", "/var/lib/netdr/ssh/known_hosts"


class Contest:
    """The contestants in one box, and the way each is told what to bring about."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._count = itertools.count()
        self._account = box.network.district.settings.management.account

    def prepare(self, states: tuple[State, ...]) -> None:
        """Give the peers what they need: their inventories, the states' files, leave to become root on devices."""
        hosts = {node.id: str(node.loopback) for node in self._box.network.devices}
        ansible = {"all": {"hosts": {name: {"ansible_host": at} for name, at in hosts.items()}, "vars": self._ssh()}}
        nornir = {name: self._nornir_host(at) for name, at in hosts.items()}
        for name, inventory in (("ansible.yml", ansible), ("nornir.yml", nornir)):
            (self._box.work / name).write_text(yaml.safe_dump(inventory), encoding="utf-8")
        for state in states:
            self._write(state)
        rule = f"{self._account} ALL=(ALL) NOPASSWD: ALL"
        self._box.on_devices(lambda device: self._box.shell(device, f"umask 227; echo '{rule}' >/etc/sudoers.d/bench"))

    def run(self, work: str, start: State, goal: State, runs: int, more: int = 0) -> list[Comparison]:
        """Let all bring the devices from ``start`` to ``goal`` in turn, ``runs`` times; return ours against each peer.

        ``more`` rounds are added without Ansible, which takes many times as long as both others together.
        """
        works = {name: (lambda name=name: self._turn(work, name, start, goal)) for name in (OURS, ANSIBLE, NORNIR)}
        found = interleaved(works, runs)
        slow = {name: found[name] for name in (OURS, ANSIBLE)}
        added = interleaved({name: works[name] for name in (OURS, NORNIR)}, more)
        quick = {name: found[name] + seconds for name, seconds in added.items()}
        return comparisons(work, COMMAND, slow) + comparisons(work, COMMAND, quick)

    def _turn(self, work: str, name: str, start: State, goal: State) -> float:
        self._box.put(start)
        self._box.ask_for(goal)
        _say(f"{work}, {name} … ")
        seconds = self._box.run(self._box.argv(self._box.controller, *self._command(name, goal)), goal)
        _say(f"{seconds:.1f} s\n")
        return seconds

    def _command(self, name: str, goal: State) -> list[str]:
        """Return what a contestant is called with on the controller."""
        folder, workers = str(self._folder(goal)), str(len(self._box.devices))
        if name == ANSIBLE:
            # Shared connections in a folder of its own: every run opens its own, as the others do.
            sockets = f"/run/bench-{next(self._count)}"
            settings = [f"ANSIBLE_CONFIG={PEERS / 'ansible.cfg'}", f"ANSIBLE_SSH_CONTROL_PATH_DIR={sockets}"]
            options = ["--inventory", str(self._box.work / "ansible.yml"), "--forks", workers]
            return ["env", *settings, "ansible-playbook", *options, "-e", f"rendered={folder}", f"{PEERS}/deploy.yml"]
        if name == NORNIR:
            return [sys.executable, f"{PEERS}/nornir_loop.py", str(self._box.work / "nornir.yml"), folder, workers]
        return ["netdr", "deploy", "--yes"]

    def _folder(self, state: State) -> Path:
        return self._box.work / state.name.replace(" ", "-")

    def _write(self, state: State) -> None:
        """Write every device's text for nornir, and its files one by one for Ansible."""
        for device, text in state.texts.items():
            target = self._folder(state) / f"{device}.cfg"
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            for file in parse(text):
                path = Path(f"{self._folder(state)}/{device}{file.path}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.content, encoding="utf-8")

    def _ssh(self) -> Mapping[str, str]:
        return {
            "ansible_user": self._account,
            "ansible_ssh_private_key_file": KEY,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={KNOWN_HOSTS}",
        }

    def _nornir_host(self, address: str) -> Mapping[str, Any]:
        options = {"optional_args": {"key_file": KEY, "known_hosts": KNOWN_HOSTS}}
        return {
            "hostname": address,
            "username": self._account,
            "password": "",
            "platform": "linux",
            "connection_options": {"napalm": {"extras": options}},
        }


def one_time_server(district: dict[str, Any]) -> None:
    """Keep only the first time server, as an edit of ``district.yaml``."""
    district["management"]["ntp"] = district["management"]["ntp"][:1]


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(runs: int) -> list[Comparison]:
    """Return all comparisons."""
    _say("bringing the district up … ")
    with opened("bench") as box:
        _say(f"{len(box.devices)} devices\n")
        day0, full, before = box.day0(), box.asked_for("full"), box.asked_for("one line less", one_time_server)
        contest = Contest(box)
        contest.prepare((full, before))
        return [
            *contest.run("day-0", day0, full, runs),
            *contest.run("one-line change", before, full, runs, more=2 * runs),
            *contest.run("no change", full, full, runs, more=2 * runs),
        ]


if __name__ == "__main__":
    asked = options(__doc__.partition("\n")[0], runs=1)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        found = main(asked.runs)
    except NetdrError as error:
        raise SystemExit(f"bench: {error.report()}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nbench: interrupted; the lab is removed") from None
    show(sorted(found, key=lambda one: one.name.rpartition(" vs ")[2]), as_json=asked.json)
