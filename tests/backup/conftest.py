"""Two hosts in temporary folders: a home with a real PostgreSQL, a DR host with a real append-only server.

Opening a repository costs half a second of scrypt and making one three, so what is made is shared: tests that break
something do it to a copy (``broken``) or bring it back.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from backup import server, setup
from backup.duty import Book, Duty, Role
from backup.host import LocalShell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from backup.report import Steps
from backup.repository import Layout, write_private
from backup.testing import Pair
from inventory.asset import Files, Postgres, Protection, Record, Service
from inventory.entry import Name
from lab import services

PROGRAMS = ("restic", "rclone", "nginx", "unshare", "nsenter", "setpriv", "ss", "curl", "openssl")
# Where other accounts can reach.
OPEN = Path("/var/tmp")  # noqa: S108 - folders in it have random names
PROTECTION = Protection.model_validate(
    {
        "id": "tier-1",
        "rpo": "15m",
        "rto": "30m",
        "every": "5m",
        "retention": {"last": 3, "daily": 7},
        "copies": ({"at": "home", "media": "disk"}, {"at": "standby", "media": "disk", "immutable": True}),
        "proof": {"every": "1d", "read_within": "30d"},
    }
)


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


def now() -> datetime:
    return datetime.now(UTC)


def service(
    name: str, *data: Files | Postgres, ports: tuple[str, ...] = ("tcp/8080",), app: str = "casework"
) -> Service:
    return Service(
        id=name,
        name=Name(zh="服务", en="service"),
        tier=1,
        home="main",
        standby="dr",
        protection="tier-1",
        app=app,
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
def root(tools: None) -> Iterator[Path]:  # noqa: ARG001 - skips
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


def new_folder() -> Path:
    """Return a new folder that other accounts can pass through: pytest's own are closed, and too long for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nb-", dir=OPEN))
    folder.chmod(0o711)
    return folder


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
    ready = [*AS_POSTGRES, f"{found}/pg_isready", "-q", "-h", str(folder)]
    wait_for(lambda: subprocess.run(ready, cwd="/", timeout=30, check=False).returncode == 0)
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
    served = (
        service(
            "approval",
            Postgres(
                kind="postgresql",
                database="approval",
                queries=queries,
                canary="SELECT max(at) FROM accepted",
                records={
                    "newest": Record(
                        sql="SELECT unit, count(*) AS count, max(seq) AS last_seq FROM accepted GROUP BY unit",
                        get="/cases?unit={unit}",
                    )
                },
            ),
        ),
        service("portal", Files(kind="files", path=str(pages), url="/"), app="pages"),
    )
    # An address of its own, so that test runs side by side do not meet.
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.1"
    duties = {role: {one.id: Duty(one, role, PROTECTION) for one in served} for role in get_args(Role)}
    home = _machine(root / "m", Book("srv-main", "services", address, duties["home"]), cluster)
    standby = _machine(root / "d", Book("srv-dr", "services", address, duties["standby"]), cluster)
    for one in served:
        install(standby.layout, one)
    place = setup.listener(standby.layout, address)
    # The server is a child of the tests, so that it ends with them: ``standby`` then finds it listening.
    setup.prepare(standby.book, standby.layout, now())
    with place.folder.joinpath("log").open("w") as log:
        running = subprocess.Popen(
            server.argv(place), stdout=log, stderr=log, cwd="/", env={"PATH": os.environ["PATH"]}
        )
    try:
        wait_for(lambda: server.listens(place))
        access = setup.standby(standby.book, standby.layout, now(), Steps("*", quiet))
        setup.home(home.book, home.layout, setup.Access.of(access.reveal()))
        for duty in home.book.duties.values():
            setup.repositories(home.book, home.layout, duty, home.shell, Steps(duty.asset.id, quiet))
        yield Pair(root, home, standby, cluster, pages)
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="session")
def saved(pair: Pair) -> Pair:
    """The pair after a first, green circle of both services."""
    for name in ("approval", "portal"):
        pair.good(pair.home, "run", name)
        pair.good(pair.standby, "verify", name)
    return pair


@pytest.fixture
def broken(saved: Pair) -> Iterator[Machine]:
    """A DR host of its own, a copy of the real one, for tests that damage its repositories."""
    top = new_folder()
    shutil.copytree(saved.root / "d", top, dirs_exist_ok=True)
    layout = dataclasses.replace(Layout.under(top), bubbles=OPEN)
    for name in saved.standby.book.duties:
        write_private(layout.credentials / name / "disk.repository", f"{layout.repositories}/{name}\n")
    yield dataclasses.replace(saved.standby, layout=layout)
    shutil.rmtree(top)


def install(layout: Layout, one: Service) -> None:
    """Put what starts a service on a host: the lab's own program."""
    for path, file in services.program(one, "10.9.8.7", layout.services, layout.services.parent / "apps").items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(file.content, encoding="utf-8")
        Path(path).chmod(file.mode)


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
    # What the lab's program works with.
    record = (services.DATA / "record.sql").read_text(encoding="utf-8")
    cluster.query(f"SET ROLE approval; {record}", "approval")
    cluster.query("SELECT accept('unit-1', i) FROM generate_series(1, 7) i", "approval")


def wait_for(ready: Callable[[], bool], limit: float = 30) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.05)


def _machine(top: Path, book: Book, cluster: Cluster) -> Machine:
    top.mkdir()
    top.chmod(0o711)
    layout = dataclasses.replace(Layout.under(top), bubbles=OPEN)
    layout.credentials.parent.mkdir(parents=True)
    return Machine(book, layout, LocalShell(book.host), lambda: cluster, now)
