from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from inventory import load
from inventory.network import Network
from monitoring.snmp import User
from netdr.kernel.secret import Secret

DISTRICT = Path(__file__).parents[1] / "districts" / "linwu"
CLONE_NEWNET = 0x40000000  # linux/sched.h
Result = TypeVar("Result")


@pytest.fixture(scope="session")
def network() -> Network:
    return load.network(DISTRICT)


@pytest.fixture(scope="session")
def user() -> User:
    return User("watcher", "SHA512", Secret("correct-horse-auth"), "AES", Secret("correct-horse-priv"))


def _need(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in programs:
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            pytest.skip(f"needs {program}")


class Namespace:
    """A private network with nothing in it but loopback; what is started in it ends with it."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        self._started: list[subprocess.Popen[str]] = []
        here = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == here:
            time.sleep(0.01)
        # Without IPv6 nothing is sent by itself, so counters stand still between two readings.
        self.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "set", "lo", "up")

    def argv(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *command]

    def run(self, *command: str, timeout: float = 30) -> str:
        environment = {**os.environ, "MIBS": "", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            self.argv(*command), check=True, capture_output=True, text=True, timeout=timeout, env=environment
        )
        return done.stdout

    def start(
        self, *command: str, environment: dict[str, str] | None = None, log: Path = Path(os.devnull)
    ) -> subprocess.Popen[str]:
        with log.open("a") as output:
            process = subprocess.Popen(
                self.argv(*command),
                env={**os.environ, "MIBS": "", "LC_ALL": "C.UTF-8", **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._started.append(process)
        return process

    def call(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Run a coroutine in a thread that is inside the namespace."""
        results: list[Result] = []
        errors: list[BaseException] = []

        def inside() -> None:
            try:
                with Path(f"/proc/{self._holder.pid}/ns/net").open() as handle:
                    assert ctypes.CDLL(None).setns(handle.fileno(), CLONE_NEWNET) == 0
                results.append(asyncio.run(work()))
            except BaseException as error:  # noqa: BLE001 - handed to the test's thread
                errors.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join(120)
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        for process in (*self._started, self._holder):
            process.kill()
            process.wait(10)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    _need("unshare", "nsenter", "ip", "sysctl")
    made = Namespace()
    yield made
    made.close()


class Snmpd:
    """A real Net-SNMP agent in a namespace whose ports are cabled to far0, far1 …"""

    def __init__(self, namespace: Namespace, folder: Path, user: User, ports: tuple[str, ...], more: str = "") -> None:
        self.namespace, self.folder, self.user = namespace, folder, user
        for number, port in enumerate(ports):
            namespace.run("ip", "link", "add", port, "type", "veth", "peer", "name", f"far{number}")
            namespace.run("ip", "link", "set", port, "up")
            namespace.run("ip", "link", "set", f"far{number}", "up")
        hyphened = user.auth_protocol.replace("SHA2", "SHA-2").replace("SHA3", "SHA-3").replace("SHA5", "SHA-5")
        self.credentials = ["-v3", "-l", "authPriv", "-u", user.name, "-a", hyphened, "-A", user.auth_secret.reveal()]
        self.credentials += ["-x", "AES", "-X", user.priv_secret.reveal()]
        secrets = f'"{user.auth_secret.reveal()}" AES "{user.priv_secret.reveal()}"'
        (folder / "snmpd.conf").write_text(
            f"agentaddress udp:161\ncreateUser {user.name} {hyphened} {secrets}\n"
            f"rouser {user.name} authpriv .1\nsysName bench\n{more}"
        )
        self.start()

    def start(self, persistent: str = "persistent") -> None:
        kept = self.folder / persistent
        kept.mkdir(exist_ok=True)
        self._process = self.namespace.start(
            "snmpd",
            "-f",
            "-Lf",
            str(self.folder / "log"),
            # The engine ID and boots are read back only from a folder on the path as well.
            environment={"SNMPCONFPATH": f"{self.folder}:{kept}", "SNMP_PERSISTENT_DIR": str(kept)},
        )
        for _ in range(50):
            try:
                self.walk("1.3.6.1.2.1.1.3")
            except subprocess.CalledProcessError:
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"snmpd does not answer: {(self.folder / 'log').read_text()[-1000:]}")

    def stop(self) -> None:
        """End as an operator would, so that the agent saves its engine's boots."""
        self._process.terminate()
        self._process.wait(10)

    def walk(self, oid: str) -> dict[str, str]:
        """Return what net-snmp's own client reads below an OID: values as plain text, by OID."""
        text = self.namespace.run("snmpbulkwalk", *self.credentials, "-t1", "-r1", "-OnUqte", "127.0.0.1", oid)
        pairs = (line.split(" ", 1) for line in text.splitlines())
        return {pair[0].lstrip("."): pair[1].strip('"') if len(pair) > 1 else "" for pair in pairs}


@pytest.fixture
def snmpd(namespace: Namespace, tmp_path: Path, user: User) -> Snmpd:
    _need("snmpd", "snmpbulkwalk")
    return Snmpd(namespace, tmp_path, user, ("p1", "p2", "p3", "p4"))


@pytest.fixture
def start_snmpd() -> type[Snmpd]:
    _need("snmpd", "snmpbulkwalk")
    return Snmpd


@pytest.fixture(name="need")
def need_programs() -> Callable[..., None]:
    return _need
