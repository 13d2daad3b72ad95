"""Where the demo plays: the lab, its controllers, and its users at work. Commands are run as people would run them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from inventory.asset import Service
from inventory.network import Network
from lab import users
from netdr.cli.context import Context
from netdr.kernel.errors import LabError

NETDR = str(Path(sys.executable).with_name("netdr"))

# A deploy that is stopped brings its devices back first.
_ENDING_S = 30.0


class Stage:
    """One lab while the demo runs on it. ``work`` is a folder for what the demo keeps until its end."""

    def __init__(self, context: Context, name: str, work: Path) -> None:
        self.context, self.name, self.work = context, name, work
        # How often each user uses each service.
        self.visit_every_s = 3.0
        self.writing_since = 0.0
        # Per service, the acknowledged writes that the failover lost: the failback cannot lose them again.
        self.gone: dict[str, frozenset[str]] = {}
        self._background: subprocess.Popen[str] | None = None

    @cached_property
    def network(self) -> Network:
        """The district."""
        return self.context.network

    @cached_property
    def controller(self) -> str:
        """The controller at the main site."""
        return self.network.hosts("controller", self.site("main"))[0].id

    @cached_property
    def dr_controller(self) -> str:
        """The controller at the DR site."""
        return self.network.hosts("controller", self.site("dr"))[0].id

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """The services that are protected and moved."""
        return self.network.district.services

    @property
    def log(self) -> Path:
        """Where it is written what the users met."""
        return self.work / "visits.jsonl"

    def site(self, kind: str) -> str:
        """Return the first site of a kind."""
        return next(site.id for site in self.network.district.sites if site.kind == kind)

    @property
    def checkout(self) -> Path:
        """The folder that netdr runs from, the same inside every node."""
        return Path(__file__).resolve().parents[3]

    def say(self, text: str) -> None:
        """Print a line of its own."""
        click.echo(text, err=True)

    def step(self, en: str, zh: str) -> AbstractContextManager[None]:
        """Print one line for a step, with its time."""
        return self.context.step(en, zh)

    def lab(self, *arguments: str, limit: float = 120) -> str:
        """Run ``netdr lab`` on this lab and return what it printed. Raise LabError with its words if it fails."""
        return self.run(self._lab(*arguments), limit, (0,)).stdout

    def netdr(self, *arguments: str, limit: float = 120) -> str:
        """Run ``netdr`` on this machine, as an engineer who edits the district does, and return what it printed."""
        return self.run([NETDR, "-i", str(self.context.inventory), *arguments], limit, (0,)).stdout

    def at(self, node: str, *command: str, limit: float = 120) -> str:
        """Run a command on a node and return what it printed."""
        return self.run(self._lab("exec", node, "--", *command), limit, (0,)).stdout

    def playbook(self, name: str) -> tuple[str, ...]:
        """Return the command that runs one of the playbooks on a controller."""
        folder = self.checkout / "playbooks"
        return "env", f"ANSIBLE_CONFIG={folder / 'ansible.cfg'}", "ansible-playbook", str(folder / name)

    def json(self, node: str, *command: str, limit: float = 120, codes: Sequence[int] = (0,)) -> Any:  # noqa: ANN401
        """Run ``netdr`` with ``--json`` on a node and return the value it printed; ``codes`` are the exits expected."""
        done = self.run(self._lab("exec", node, "--", "netdr", *command, "--json"), limit, codes)
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise LabError(f"netdr {' '.join(command)} printed no JSON", where=node, why=done.stdout[-400:]) from error

    def begin(self, node: str, *command: str) -> None:
        """Start a command on a node in the background; ``join`` waits for it."""
        output = (self.work / "background.log").open("w", encoding="utf-8")
        with output:
            self._background = subprocess.Popen(
                self._lab("exec", node, "--", *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    def join(self, limit: float) -> None:
        """Wait for the background command. Raise LabError with the end of its output if it failed."""
        process, self._background = self._background, None
        if process is None:
            return
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = -9
        if code != 0:
            words = (self.work / "background.log").read_text(encoding="utf-8")[-1500:]
            raise LabError(f"a background command ended with {code}", why=words)

    @contextmanager
    def users(self) -> Iterator[None]:
        """Have a user in every unit use the services for as long as the context lasts."""
        self.writing_since = time.time()
        names = [service.id for service in self.services]
        with users.Users(users.errand(self.name, self.network, names, self.log, self.visit_every_s)):
            yield

    def close(self) -> None:
        """End the background command, if it still runs."""
        if self._background is not None:
            self._background.kill()
            self._background.wait()
            self._background = None

    def _lab(self, *arguments: str) -> list[str]:
        folder = str(self.context.inventory)
        verb, *rest = arguments
        return [NETDR, "-i", folder, "lab", verb, "--name", self.name, *rest]

    def run(self, argv: Sequence[str], limit: float, codes: Sequence[int]) -> subprocess.CompletedProcess[str]:
        """Run a command here. Raise LabError with its words if it ends with another code than ``codes``."""
        shown = " ".join(argv[1:])
        # A session of its own: Ctrl-C is the demo's to pass on, once, and to wait for.
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as error:
            _stop(process)
            raise LabError(f"netdr {shown} did not end within {limit:.0f} s") from error
        except BaseException:
            _stop(process)
            raise
        if process.returncode not in codes:
            words = f"{err}\n{out}".strip()[-2500:]
            raise LabError(f"netdr {shown} ended with {process.returncode}", why=words)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _stop(process: subprocess.Popen[str]) -> None:
    """Let a command end by itself, which includes bringing back what it has changed; then end it."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
