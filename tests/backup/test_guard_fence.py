"""Fenced databases, on a real PostgreSQL: they refuse their owner, survive a restart, and come back exactly."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.guard import fence
from backup.host import LocalShell
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from netdr.kernel.errors import BackupError

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Cluster]:
    """A server of its own, which may be restarted."""
    folder, found = root / "guarded", programs(VERSIONS)
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    initdb = [*AS_POSTGRES, f"{found}/initdb", "--no-sync", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8"]
    subprocess.run([*initdb, "-D", f"{folder}/d"], check=True, capture_output=True, cwd="/", timeout=60)
    _pg_ctl(folder, "start")
    yield Cluster(LocalShell("store"), found, prefix=AS_POSTGRES, socket=folder)
    _pg_ctl(folder, "stop")


def _pg_ctl(folder: Path, verb: str) -> None:
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    argv = [*AS_POSTGRES, f"{programs(VERSIONS)}/pg_ctl", verb, "-s", "-w", "-D", f"{folder}/d", "-o", options]
    subprocess.run([*argv, "-l", f"{folder}/d/log"], check=True, cwd="/", timeout=60)


@pytest.fixture(params=(-1, 7, 0), ids=lambda limit: f"limit {limit}")
def limited(server: Cluster, request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, int]]:
    server.query("CREATE ROLE clerk LOGIN")
    server.query("CREATE DATABASE records OWNER clerk")
    server.query(f"ALTER DATABASE records CONNECTION LIMIT {request.param}")
    yield server, request.param
    server.query("DROP DATABASE IF EXISTS records WITH (FORCE)")
    server.query("DROP ROLE clerk")


def as_clerk(server: Cluster, sql: str) -> str:
    """Return what the owner gets, or what PostgreSQL says to him."""
    argv = [
        *AS_POSTGRES,
        f"{server.programs}/psql",
        "-X",
        "-A",
        "-t",
        "-h",
        str(server.socket),
        "-U",
        "clerk",
        "-d",
        "records",
    ]
    done = subprocess.run([*argv, "-c", sql], capture_output=True, text=True, cwd="/", timeout=30, check=False)
    return done.stdout.strip() or done.stderr.strip()


def limit_of(server: Cluster) -> list[list[str]]:
    return server.query(
        "SELECT datconnlimit, (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        " FROM pg_database d WHERE datname = 'records'"
    )


def test_a_fenced_database_refuses_its_owner_and_comes_back_exactly(limited: tuple[Cluster, int]) -> None:
    server, limit = limited
    assert fence.fence(server, ["records", "elsewhere"]) == ("records",)
    assert fence.fenced(server, "records")
    # PostgreSQL's own words (src/backend/utils/init/postinit.c).
    assert 'too many connections for database "records"' in as_clerk(server, "SELECT 1")
    assert fence.fence(server, ["records"]) == ("records",)
    assert fence.lift(server, ["records"]) == ("records",)
    assert limit_of(server) == [[str(limit), "0"]]
    assert fence.lift(server, ["records"]) == ()
    if limit:
        assert as_clerk(server, "SELECT 1") == "1"


@pytest.mark.parametrize("limited", [-1, 7], indirect=True)
def test_open_sessions_end_and_a_restart_lifts_nothing(limited: tuple[Cluster, int]) -> None:
    server, _ = limited
    argv = [*AS_POSTGRES, f"{server.programs}/psql", "-X", "-h", str(server.socket), "-U", "clerk", "-d", "records"]
    with subprocess.Popen(
        [*argv, "-c", "SELECT pg_sleep(60)"], cwd="/", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as session:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'records' AND query LIKE '%pg_sleep(60)'"
        while server.query(sessions) != [["1"]]:
            assert session.poll() is None
        fence.fence(server, ["records"])
        _, said = session.communicate(timeout=20)
    assert "terminating connection due to administrator command" in said
    assert server.socket is not None
    _pg_ctl(server.socket, "restart")
    assert "too many connections" in as_clerk(server, "SELECT 1")
    assert server.query("SELECT 1", "records") == [["1"]]
    fence.lift(server, ["records"])
    assert as_clerk(server, "SELECT 1") == "1"


def test_a_dump_of_a_fenced_database_is_lifted_where_it_is_restored(server: Cluster) -> None:
    """The log that is streamed to the other site may have the fence in it: it must not be fenced there too."""
    server.query("CREATE ROLE clerk LOGIN")
    server.query("CREATE DATABASE records OWNER clerk CONNECTION LIMIT 9")
    fence.fence(server, ["records"])
    assert server.socket is not None
    folder = server.socket / "dump"
    server.dump("records", folder, limit=60)
    roles = server.roles("records")
    server.query("DROP DATABASE records")
    server.restore(folder, roles, limit=60)
    assert fence.fenced(server, "records")
    assert fence.lift(server, ["records"]) == ("records",)
    assert limit_of(server) == [["9", "0"]]
    server.query("DROP DATABASE records")
    server.query("DROP ROLE clerk")


def test_a_server_that_is_down_is_said_so(server: Cluster) -> None:
    assert server.socket is not None
    gone = Cluster(server.shell, server.programs, server.prefix, server.socket / "nowhere")
    with pytest.raises(BackupError, match="psql failed"):
        fence.fence(gone, ["records"])
