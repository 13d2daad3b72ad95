"""Two hosts in temporary folders: a home with a real PostgreSQL, a DR host with a real append-only server.

Opening a repository costs half a second of scrypt and making one three, so what is made is shared: tests that break
something do it to a copy (``broken``) or bring it back.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import server, setup, work
from backup.duty import Book, Duty, Promise
from backup.host import LocalShell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from backup.report import JobReport, Steps
from backup.repository import Layout, write_private
from inventory.model import Files, Name, Postgres, Service

PROGRAMS = ("restic", "rclone", "nginx", "unshare", "nsenter", "setpriv", "ss")
PROMISE = Promise(rpo=900, rto=1800, every=300, proof_every=86400)


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pair:
    """A home host and its DR host."""

    root: Path
    home: Machine
    standby: Machine
    cluster: Cluster
    pages: Path

    def do(self, machine: Machine, verb: str, service: str, **options: str) -> JobReport:
        act = work.acts(**options)[verb]
        return work.do(machine, verb, machine.book.select([service]), act, quiet)[0]

    def good(self, machine: Machine, verb: str, service: str, **options: str) -> JobReport:
        report = self.do(machine, verb, service, **options)
        assert report.ok, [str(problem) for problem in report.problems]
        return report


def service(name: str, *data: Files | Postgres, ports: tuple[str, ...] = ("tcp/8080",)) -> Service:
    return Service(
        id=name,
        name=Name(zh="服务", en="service"),
        tier=1,
        home="main",
        standby="dr",
        protection="tier-1",
        app="casework",
        ports=ports,
        data=data,
    )


@pytest.fixture(scope="session")
def tools() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: databases run as their own account, proofs in namespaces")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or not any(VERSIONS.glob("*/bin/initdb")):
        pytest.skip(f"needs {', '.join(missing) or 'PostgreSQL'}")


@pytest.fixture(scope="session")
def root(tools: None) -> Iterator[Path]:
    # pytest's own folders are closed to other accounts, and a unix socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="nb-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster(root: Path) -> Iterator[Cluster]:
    folder = root / "pg"
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    found = programs(VERSIONS)
    initdb = [*AS_POSTGRES, f"{found}/initdb", "--no-sync", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8"]
    subprocess.run([*initdb, "-D", f"{folder}/d"], check=True, capture_output=True, cwd="/", timeout=60)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [*AS_POSTGRES, f"{found}/postgres", "-D", f"{folder}/d", *settings], cwd="/", stdout=log, stderr=log
        )
    socket = folder / ".s.PGSQL.5432"
    wait_for(socket.exists)
    yield Cluster(LocalShell("srv-main"), found, prefix=AS_POSTGRES, socket=folder)
    running.terminate()
    running.wait(20)


@pytest.fixture(scope="session")
def pair(root: Path, cluster: Cluster) -> Iterator[Pair]:
    pages = root / "srv" / "portal"
    (pages / "news").mkdir(parents=True)
    (pages / "index.html").write_text("<h1>苏仙</h1>", encoding="utf-8")
    (pages / "news" / "list.txt").write_text("news\n" * 5000, encoding="utf-8")
    (pages / "latest").symlink_to("news/list.txt")
    create_approval(cluster)
    queries = {"114 items": "SELECT count(*) = 114 FROM item", "owner": "SELECT has_table_privilege('item', 'SELECT')"}
    services = (
        service("approval", Postgres(kind="postgresql", database="approval", queries=queries)),
        service("portal", Files(kind="files", path=str(pages))),
    )
    address = f"127.{random.randint(10, 250)}.{random.randint(1, 250)}.1"
    home = _machine(root / "m", "srv-main", address, services, "home", cluster)
    standby = _machine(root / "d", "srv-dr", address, services, "standby", cluster)
    place = setup.listener(standby.layout, address)
    # The server is a child of the tests, so that it ends with them: ``standby`` then finds it listening.
    setup.prepare(standby.book, standby.layout, now())
    with place.folder.joinpath("log").open("w") as log:
        running = subprocess.Popen(server.argv(place), stdout=log, stderr=log, cwd="/", env={"PATH": os.environ["PATH"]})
    try:
        access = setup.standby(standby.book, standby.layout, now(), Steps("*", quiet))
        setup.home(home.book, home.layout, setup.Access.of(access.reveal()))
        for duty in home.book.duties.values():
            setup.repositories(home.book, home.layout, duty, home.shell, Steps(duty.service.id, quiet))
        yield Pair(root, home, standby, cluster, pages)
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="session")
def saved(pair: Pair) -> Pair:
    """The pair after a first, green circle of both services."""
    for name in ("approval", "portal"):
        pair.good(pair.home, "run", name)
        pair.good(pair.standby, "prove", name)
    return pair


@pytest.fixture
def broken(saved: Pair, tmp_path: Path) -> Iterator[Machine]:
    """A DR host of its own, a copy of the real one, for tests that damage its repositories."""
    top = Path(tempfile.mkdtemp(prefix="nb-", dir="/var/tmp"))
    shutil.copytree(saved.root / "d", top, dirs_exist_ok=True)
    layout = dataclasses.replace(Layout.under(top), bubbles=Path("/var/tmp"))
    for name in saved.standby.book.duties:
        write_private(layout.credentials / name / "disk.repository", f"{layout.repositories}/{name}\n")
    yield dataclasses.replace(saved.standby, layout=layout)
    shutil.rmtree(top)


def create_approval(cluster: Cluster) -> None:
    cluster.query("CREATE ROLE approval LOGIN PASSWORD 'not-a-secret'; CREATE ROLE auditor")
    cluster.query("CREATE DATABASE approval OWNER approval")
    cluster.query(
        "SET ROLE approval; CREATE TABLE item(id int PRIMARY KEY, name text);"
        "INSERT INTO item SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 114) i;"
        "CREATE TABLE heartbeat(id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp());"
        "GRANT SELECT ON item TO auditor",
        "approval",
    )


def wait_for(ready: Callable[[], bool], limit: float = 30) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.05)


def _machine(
    top: Path, host: str, address: str, services: tuple[Service, ...], role: str, cluster: Cluster
) -> Machine:
    top.mkdir()
    top.chmod(0o711)
    layout = dataclasses.replace(Layout.under(top), bubbles=Path("/var/tmp"))
    layout.credentials.parent.mkdir(parents=True)
    duties = {one.id: Duty(one, "home" if role == "home" else "standby", PROMISE) for one in services}
    return Machine(Book(host, address, duties), layout, LocalShell(host), lambda: cluster, now)
