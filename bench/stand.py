"""Two hosts on one machine for benches: a home and a DR site with the real append-only server, in one folder."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup import server, setup
from backup.duty import Book, Duty
from backup.host import LocalShell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from backup.report import Steps
from backup.repository import Layout
from inventory.asset import Asset, Protection

PROTECTION = Protection.model_validate(
    {
        "id": "bench",
        "rpo": "1h",
        "rto": "1h",
        "every": "1h",
        "retention": {"last": 3},
        "copies": ({"at": "home", "media": "disk"}, {"at": "standby", "media": "disk", "immutable": True}),
        "proof": {"every": "1d", "read_within": "30d"},
    }
)


@dataclass(frozen=True)
class Stand:
    """The two hosts; ``root`` holds everything that belongs to them."""

    root: Path
    home: Machine
    standby: Machine

    def with_restic(self, program: str) -> Stand:
        """Return the same hosts with another restic."""
        home, standby = (dataclasses.replace(one, program=program) for one in (self.home, self.standby))
        return Stand(self.root, home, standby)

    def fresh(self) -> None:
        """Bring every repository, ledger and cache back to what it was when the stand was made."""
        for side in ("home", "dr"):
            shutil.rmtree(self.root / side / "srv" / "restic")
            shutil.copytree(self.root / "empty" / side, self.root / side / "srv" / "restic", copy_function=_copy)
            for folder in ("var/cache/netdr", "var/lib/netdr"):
                shutil.rmtree(self.root / side / folder, ignore_errors=True)
        setup.prepare(self.standby.book, self.standby.layout, datetime.now(UTC))
        _own(self.root / "dr" / "srv" / "restic")


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder that other accounts can pass through, and remove it afterwards."""
    top = Path(tempfile.mkdtemp(prefix="nb-", dir="/var/tmp"))
    top.chmod(0o711)
    try:
        yield top
    finally:
        shutil.rmtree(top)


@contextmanager
def stand(root: Path, assets: Sequence[Asset], cluster: Callable[[], Cluster]) -> Iterator[Stand]:
    """Give the two hosts with their repositories made and the server running."""
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.2"
    home = _machine(root / "home", Book("bench", "services", address, _duties(assets, "home")), cluster)
    standby = _machine(root / "dr", Book("bench-dr", "services", address, _duties(assets, "standby")), cluster)
    access = setup.prepare(standby.book, standby.layout, datetime.now(UTC))
    place = setup.listener(standby.layout, address)
    with (place.folder / "log").open("w") as log:
        # A child of the bench, so that it ends with it.
        running = subprocess.Popen(server.argv(place), stdout=log, stderr=log, cwd="/")
    try:
        wait_for(lambda: server.listens(place))
        setup.home(home.book, home.layout, setup.Access.of(access.reveal()))
        for duty in home.book.duties.values():
            setup.repositories(home.book, home.layout, duty, home.shell, Steps(duty.asset.id, quiet))
        for side in ("home", "dr"):
            shutil.copytree(root / side / "srv" / "restic", root / "empty" / side)
        yield Stand(root, home, standby)
    finally:
        running.terminate()
        running.wait(20)


@contextmanager
def database(root: Path) -> Iterator[Cluster]:
    """Give a PostgreSQL cluster of its own, on a private socket."""
    data = root / "pg"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    found = programs(VERSIONS)
    initdb = [*AS_POSTGRES, f"{found}/initdb", "--no-sync", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8"]
    subprocess.run([*initdb, "-D", f"{data}/d"], check=True, capture_output=True, cwd="/", timeout=60)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}", "-c", "fsync=off"]
    with (data / "log").open("w") as log:
        argv = [*AS_POSTGRES, f"{found}/postgres", "-D", f"{data}/d", *settings]
        running = subprocess.Popen(argv, cwd="/", stdout=log, stderr=log)
    try:
        wait_for((data / ".s.PGSQL.5432").exists)
        yield Cluster(LocalShell("bench"), found, prefix=AS_POSTGRES, socket=data)
    finally:
        running.terminate()
        running.wait(60)


def wait_for(ready: Callable[[], bool], limit: float = 30) -> None:
    """Return when ``ready`` says so. Raise TimeoutError after ``limit`` seconds."""
    end = time.monotonic() + limit
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("not ready in time")
        time.sleep(0.05)


def _duties(assets: Sequence[Asset], role: str) -> dict[str, Duty]:
    return {one.id: Duty(one, "home" if role == "home" else "standby", PROTECTION) for one in assets}


def _machine(top: Path, book: Book, cluster: Callable[[], Cluster]) -> Machine:
    top.mkdir()
    top.chmod(0o711)
    layout = dataclasses.replace(Layout.under(top), bubbles=Path("/var/tmp"))  # noqa: S108 - as in Layout
    layout.credentials.parent.mkdir(parents=True)
    return Machine(book, layout, LocalShell(book.host), cluster, lambda: datetime.now(UTC))


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(Path(source).stat().st_mode)


def _own(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        shutil.chown(path, server.ACCOUNT, server.ACCOUNT)
