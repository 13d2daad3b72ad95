"""A whole district in a lab of its own: put its devices into a known state, and see what state they are in.

Neither is part of what is measured: both go in at the devices' consoles, past the network and past every contestant.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inventory import load
from inventory import secrets as vault
from inventory.network import Network
from inventory.placement import home
from lab import control
from lab import state as labs
from nornir_tasks import render
from nornir_tasks.diff import unified

ROOT = Path(__file__).resolve().parents[1]
NETDR = str(Path(sys.executable).with_name("netdr"))
DEVICE = "/usr/local/sbin/netdr-device"
# Their state is their files, so it has to be asked whether they run at all.
_DAEMONS = """
for daemon in chronyd rsyslogd lldpd snmpd sshd; do
    pidof "$daemon" >/dev/null || { echo "$daemon does not run" >&2; exit 1; }
done
"""
# Consoles at once: enough to keep a few processors busy.
_CONSOLES = 8
# Seconds after a state was set until the network has forgotten it: what OSPF and BGP still do would be measured too.
_SETTLE_S = 3

Edit = Callable[[dict[str, Any]], None]


class BenchError(SystemExit):
    """The bench cannot go on, or what it measured does not count."""

    def __init__(self, words: str) -> None:
        super().__init__(f"bench: {words}")


@dataclass(frozen=True)
class State:
    """What all devices say, by device. ``district`` is the ``district.yaml`` that asks for it, empty for day 0."""

    name: str
    texts: Mapping[str, str]
    district: str = ""


class Box:
    """One lab that is up. ``folder`` is its district, a copy that every node sees at the same path."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.network: Network = load.network(folder)
        self.devices = tuple(node.id for node in self.network.devices)
        self.controller = self.network.hosts("controller")[0].id
        # The state that the devices were last seen in; None while a contestant is at work.
        self._now: State | None = None

    @property
    def work(self) -> Path:
        """The folder for what contestants need, seen by every node."""
        return self.folder / ".bench"

    def argv(self, node: str, *command: str) -> list[str]:
        """Return what runs a command in a node, as root."""
        return [*control.enter(self.name, node), *command]

    def on_devices(self, work: Callable[[str], str]) -> Mapping[str, str]:
        """Return what ``work`` says of each device."""
        with ThreadPoolExecutor(_CONSOLES) as pool:
            return dict(zip(self.devices, pool.map(work, self.devices), strict=True))

    def shell(self, device: str, script: str) -> str:
        """Run a script at a device's console. Raise BenchError with its words if it fails."""
        done = _run(self.argv(device, "sh", "-ec", script), limit=60)
        if done.returncode:
            raise BenchError(f"{device}: {done.stderr.strip()}")
        return done.stdout

    def day0(self) -> State:
        """Return the state that a lab is in that was just brought up."""
        return State("day 0", self.running())

    def running(self) -> Mapping[str, str]:
        """Return what every device runs, by device."""
        return self.on_devices(lambda device: str(self._ask(device, "running")["text"]))

    def asked_for(self, name: str, edit: Edit = lambda _: None) -> State:
        """Return the state that the district asks for after an edit of its ``district.yaml``."""
        path = self.folder / "district.yaml"
        before = path.read_text(encoding="utf-8")
        value = yaml.safe_load(before)
        edit(value)
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        network = load.network(self.folder)
        secrets = vault.load(self.folder / ".netdr", vault.references(network.district))
        texts = render.render_all(network, home(network.district).active, secrets)
        path.write_text(before, encoding="utf-8")
        return State(name, texts, text)

    def put(self, state: State) -> None:
        """Bring all devices into a state. Raise BenchError if one does not take it: each reads back what it applies."""
        if self._now == state:
            return
        self._now = None
        self.on_devices(lambda device: str(self._ask(device, "commit", text=state.texts[device])))
        self._now = state
        time.sleep(_SETTLE_S)

    def ask_for(self, state: State) -> None:
        """Let the district ask for a state: from now on the devices may have any."""
        self._now = None
        (self.folder / "district.yaml").write_text(state.district, encoding="utf-8")

    def run(self, argv: list[str], state: State, limit: float = 900) -> float:
        """Run a command that is to bring all devices into a state, and return the seconds it took.

        Raise BenchError if it fails or the devices are not in that state afterwards.
        """
        self._now = None
        begun = time.perf_counter()
        done = _run(argv, limit)
        seconds = time.perf_counter() - begun
        if done.returncode:
            words = (done.stdout + done.stderr).strip()[-3000:]
            raise BenchError(f"ended with {done.returncode}: {' '.join(argv)}\n{words}")
        self.check(state)
        return seconds

    def check(self, state: State) -> None:
        """Ask every device what it runs. Raise BenchError, with the first difference, unless all are as ``state``."""
        found = self.running()
        wrong = [device for device in self.devices if found[device] != state.texts[device]]
        if wrong:
            difference = unified(state.texts[wrong[0]], found[wrong[0]])[:3000]
            raise BenchError(f"not as in '{state.name}': {' '.join(wrong)}; {wrong[0]}:\n{difference}")
        self.on_devices(lambda device: self.shell(device, _DAEMONS))
        self._now = state

    def _ask(self, device: str, verb: str, **arguments: object) -> Mapping[str, Any]:
        request = json.dumps({"verb": verb, **arguments})
        done = _run(self.argv(device, DEVICE, "session"), limit=120, text=f"{request}\n")
        try:
            reply: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise BenchError(f"{device}: {verb}: {done.stdout}{done.stderr}") from None
        if "error" in reply:
            raise BenchError(f"{device}: {verb}: {reply['error']['problems']}")
        return reply


@contextmanager
def opened(name: str, district: Path = ROOT / "inventory/suxian") -> Iterator[Box]:
    """Bring a copy of a district up as the lab ``name`` and yield it; take it down whatever happens.

    Raise BenchError if a lab of that name is up already: it is somebody's.
    """
    found = labs.load(name)
    if found is not None and found.stage == "up":
        raise BenchError(f"a lab {name} is up already; take it down first: netdr lab down --name {name}")
    with tempfile.TemporaryDirectory(prefix="netdr-bench-") as folder:
        copy = Path(folder) / district.name
        shutil.copytree(district, copy, ignore=shutil.ignore_patterns(".netdr"))
        (copy / ".bench").mkdir(mode=0o700)
        try:
            done = _run([NETDR, "-i", str(copy), "lab", "up", "--name", name], limit=300)
            if done.returncode:
                raise BenchError(f"the lab does not come up: {done.stderr.strip()}")
            yield Box(name, copy)
        finally:
            left = control.down(name)
            if left:
                sys.stderr.write(f"bench: something is left of the lab {name}: {left}\n")


def _run(argv: list[str], limit: float, text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=text, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"took longer than {limit:.0f} s: {' '.join(argv)}") from None
