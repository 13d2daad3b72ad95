"""A district of any size whose devices are emulated on this machine: its folder, and the process that serves them.

It is the example district with as many units as it takes (``render.district``).
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from napalm.base.exceptions import ConnectionException
from render import ROOT, district

from inventory import load, record
from inventory import secrets as vault
from inventory.addressing import allocate
from inventory.entry import Entry
from inventory.model import District, Link
from inventory.network import Network
from inventory.placement import home
from lab.fleet.spec import dump as dump_spec
from lab.fleet.spec import fleet_spec
from nornir_tasks import render
from nornir_tasks.drivers.emulated import Conversation

PLATFORM = "emulated"
# Seconds for a thousand sockets to be opened on a busy machine.
_START_S = 60
Text = Mapping[str, str]


class FleetError(SystemExit):
    """The fleet does not come up, or does not say what it should."""

    def __init__(self, words: str) -> None:
        super().__init__(f"fleet: {words}")


@dataclass(frozen=True)
class Place:
    """A district's folder with its state, ready for ``netdr -i FOLDER``."""

    folder: Path

    @property
    def state(self) -> Path:
        """Its state folder, where ``netdr`` looks for it."""
        return self.folder / ".netdr"

    @property
    def token(self) -> Path:
        """What lets one in at the devices: where other platforms have the account's key."""
        return self.state / "ssh" / "id_ed25519"

    @property
    def network(self) -> Network:
        """The district's network."""
        return load.network(self.folder)

    def texts(self) -> tuple[Text, Text]:
        """Return what every device has before netdr first reaches it, and all that it should say."""
        network = self.network
        found = vault.load(self.state, vault.references(network.district))
        first = {node.id: render.day0(network, node.id, found) for node in network.devices}
        return first, render.render_all(network, home(network.district).active, found)


def place(folder: Path, devices: int) -> Place:
    """Write a district of so many devices into an empty folder, with addresses and secrets of its own."""
    made, found = _emulated(district(devices)), Place(folder)
    shutil.copytree(ROOT / "inventory/suxian", folder, ignore=shutil.ignore_patterns(".netdr", "addresses.yaml"))
    _edit(folder / "district.yaml", {"addresses": made.settings.addresses})
    _edit(folder / "devices.yaml", {"devices": made.devices, "links": made.links})
    _edit(folder / "units.yaml", {"units": made.units})
    record.write(folder, allocate(load.district(folder)))
    found.state.mkdir(mode=0o700)
    vault.create(found.state, vault.references(made))
    found.token.unlink()
    with os.fdopen(os.open(found.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secrets.token_hex(32)} {_free_port()}")
    return found


def _free_port() -> int:
    """Return a port that nobody listens at where the first device will."""
    with socket.socket() as probe:
        probe.bind(("127.1.0.1", 0))
        return int(probe.getsockname()[1])


def _emulated(big: District) -> District:
    """Return a district with its devices on this machine, and with a way to the DR site when the main site is lost."""
    by_site = {device.site: device.id for device in reversed(big.devices) if device.role == "aggregation"}
    linked = {frozenset(link.ends) for link in big.links}
    added = [device for device in big.devices if device.role == "aggregation"]
    ends = [(by_site[device.site], device.id) for device in added if by_site[device.site] != device.id]
    return big.model_copy(
        update={
            "devices": tuple(device.model_copy(update={"platform": PLATFORM}) for device in big.devices),
            "units": tuple(unit.model_copy(update={"platform": PLATFORM}) for unit in big.units),
            "links": (*big.links, *(Link(ends=pair) for pair in ends if frozenset(pair) not in linked)),
        }
    )


def _edit(path: Path, sections: Mapping[str, Any]) -> None:
    """Replace sections of one of a district's files."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, section in sections.items():
        value[name] = json.loads(json.dumps(section, default=_plain))
    path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, Entry) else str(value)


class Fleet:
    """Emulated devices that run: what they are asked here goes past every contestant."""

    def __init__(self, network: Network, token: Path, process: subprocess.Popen[str]) -> None:
        self.devices = {node.id: str(node.loopback) for node in network.devices}
        self.process, self._token = process, token

    def ask(self, device: str, verb: str, **arguments: object) -> Mapping[str, Any]:
        """Return a device's answer. Raise as the driver does."""
        talk = Conversation(self.devices[device], self._token, timeout=30)
        talk.open()
        try:
            return talk.ask(verb, **arguments)
        finally:
            talk.close()

    def fault(self, device: str, at: str, kind: str, seconds: float = 0.0) -> None:
        """Let something go wrong when ``at`` is asked of a device the next time (``lab.fleet.server.FAULTS``)."""
        self.ask(device, "fault", at=at, kind=kind, seconds=seconds)

    def running(self) -> Text:
        """Return what every device runs, those without power left out."""
        found = {}
        for device in self.devices:
            with suppress(ConnectionException):
                found[device] = str(self.ask(device, "running")["text"])
        return found

    def pending(self) -> tuple[str, ...]:
        """Return the devices with a commit that waits for its confirmation."""
        return tuple(device for device in self.devices if self.ask(device, "pending")["pending"])

    def put(self, texts: Text) -> None:
        """Let the devices run these texts, whatever they run now and whoever holds them."""
        for device, text in texts.items():
            self.ask(device, "reset", text=text)


@contextmanager
def running(at: Place, texts: Text, commit_s: float = 0.0) -> Iterator[Fleet]:
    """Serve a place's devices, which run ``texts`` at first; end them whatever happens.

    Raise FleetError, with its own words, if the fleet does not come up within a minute.
    """
    network, spec = at.network, at.state / "fleet.json"
    with os.fdopen(os.open(spec, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(dump_spec(fleet_spec(network, texts, commit_s)))
    argv = [sys.executable, "-m", "lab.fleet", str(spec), str(at.token)]
    process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not _ready(process):
            raise FleetError(f"it does not come up: {' '.join(argv)}")
        yield Fleet(network, at.token, process)
    finally:
        process.kill()
        process.communicate(timeout=30)


def _ready(process: subprocess.Popen[str]) -> bool:
    """Return whether the fleet says in time that it is ready."""
    assert process.stdout  # noqa: S101 - a pipe was asked for
    told, _, _ = select.select([process.stdout], [], [], _START_S)
    return bool(told) and process.stdout.readline().startswith("ready")


def wait_for(done: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Return whether ``done`` comes true within ``limit_s`` seconds."""
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
