"""The pure functions and the small file work of the backup modules."""

from __future__ import annotations

import os
import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import certificate, postgres, server, snapshots, tree
from backup.duty import Book, book_of
from backup.manifest import Entry
from backup.proof import answers, application
from backup.repository import Layout, keep_secret, new_secret, target, write_private
from backup.restic import Snapshot
from backup.server import Listener
from inventory import load
from netdr.kernel.errors import BackupError, MissingError, UsageError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

# Lines as pg_dumpall 15 --roles-only writes them.
ROLES = """\
--
-- Roles
--

CREATE ROLE approval;
ALTER ROLE approval WITH NOSUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';
CREATE ROLE approval2;
ALTER ROLE approval2 WITH NOSUPERUSER;
CREATE ROLE "case-reader";
ALTER ROLE "case-reader" WITH NOSUPERUSER;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
GRANT "case-reader" TO approval GRANTED BY postgres;
GRANT "case-reader" TO approval2 GRANTED BY postgres;
"""


def snapshot(name: str, original: str = "", minute: int = 0, *tags: str) -> Snapshot:
    return Snapshot(name, NOON.replace(minute=minute), "srv-1", tags, original)


def test_a_book_survives_its_file_and_knows_roles() -> None:
    network = load.network(LINWU)
    main, dr = book_of(network, "store"), book_of(network, "store-b")
    assert {name: duty.role for name, duty in main.duties.items()} == {"registry": "home", "notices": "home"}
    copies = dict.fromkeys(("registry", "notices", "netdr", "configs"), "standby")
    assert {name: duty.role for name, duty in dr.duties.items()} == copies
    assert main.server == dr.server == str(network.node("store-b").loopback)
    assert Book.load(main.dump(), "here") == main
    # A controller keeps what the network is run with; the second one of a site keeps nothing.
    assert set(book_of(network, "warden").duties) == {"netdr", "configs"}


def test_an_unknown_service_lists_the_known() -> None:
    with pytest.raises(UsageError, match="store: unknown asset 'x'; known: notices, registry"):
        book_of(load.network(LINWU), "store").select(["x"])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"host": "a", "server": "b", "duties": [{}]}'])
def test_what_is_not_a_book(text: str) -> None:
    with pytest.raises(BackupError, match="here: the host's duties cannot be read"):
        Book.load(text, "here")


def test_a_run_at_the_dr_site_saves_through_its_own_server() -> None:
    network, layout = load.network(LINWU), Layout()
    main, dr = book_of(network, "store"), book_of(network, "store-b")
    assert target(layout, main, main.duties["registry"]) == layout.home("registry")
    assert target(layout, dr, dr.duties["registry"]) == layout.standby("registry", dr.server)


def test_roles_of_one_database() -> None:
    assert postgres.select_roles(ROLES, ["approval", "case-reader"]).splitlines() == [
        "CREATE ROLE approval;",
        "ALTER ROLE approval WITH NOSUPERUSER INHERIT LOGIN PASSWORD 'SCRAM-SHA-256$4096:x';",
        'CREATE ROLE "case-reader";',
        'ALTER ROLE "case-reader" WITH NOSUPERUSER;',
        'GRANT "case-reader" TO approval GRANTED BY postgres;',
    ]
    assert postgres.select_roles(ROLES, []) == ""


def test_a_role_that_exists_is_altered_and_not_made_again() -> None:
    mine = postgres.select_roles(ROLES, ["case-reader"])
    assert postgres.only_new_roles(mine, {"case-reader"}) == 'ALTER ROLE "case-reader" WITH NOSUPERUSER;\n'
    assert postgres.only_new_roles(mine, {"reader"}) == mine


def test_the_newest_postgresql_by_number(tmp_path: Path) -> None:
    for name in ("9.6", "13", "15", "common"):
        (tmp_path / name / "bin").mkdir(parents=True)
    assert postgres.programs(tmp_path) == tmp_path / "15" / "bin"
    with pytest.raises(MissingError, match="PostgreSQL is not installed"):
        postgres.programs(tmp_path / "none")


def test_quoting() -> None:
    assert postgres.literal("o'clock") == "'o''clock'"
    assert postgres.identifier('a"b') == '"a""b"'


def test_latest_is_by_the_moment_the_data_is_from() -> None:
    early = snapshot("b1", "", 9, "service:portal", "manifest:m", "as-of:2026-11-23T11:00:00+00:00")
    late = snapshot("a1", "", 1, "service:portal", "manifest:m", "as-of:2026-11-23T11:30:00+00:00")
    other = snapshot("c1", "", 30, "service:credit", "manifest:m")
    found = snapshots.of_service([early, late, other, snapshot("d1", "", 50)], "portal")
    assert snapshots.choose(found, "latest", "here") == late


def test_a_snapshot_is_found_by_either_id() -> None:
    found = [snapshot("aa11", "ff00"), snapshot("aa22", "ee00")]
    assert snapshots.choose(found, "ff", "here").id == "aa11"
    assert snapshots.choose(found, "aa22", "here").id == "aa22"
    with pytest.raises(BackupError, match="the beginning of several"):
        snapshots.choose(found, "aa", "here")
    with pytest.raises(BackupError, match="no snapshot 'bb'"):
        snapshots.choose(found, "bb", "here")
    with pytest.raises(BackupError, match="here: there is no snapshot"):
        snapshots.choose([], "latest", "here")


def entry(path: str, size: int = 10, mode: int = 0o644) -> Entry:
    return Entry(path, "file", mode, size, "d")


@pytest.mark.parametrize(
    ("entries", "page"),
    [
        (
            [entry("files/srv/p/a/index.html"), entry("files/srv/p/index.html"), entry("files/srv/p/x", 1)],
            "p/index.html",
        ),
        ([entry("files/srv/p/b", 5), entry("files/srv/p/a", 5), entry("files/srv/p/c", 4, 0o600)], "p/a"),
        ([entry("files/srv/other/index.html")], None),
        ([], None),
    ],
)
def test_which_page_is_asked_for(entries: list[Entry], page: str | None) -> None:
    found = answers.landing_page(entries, "files/srv/p")
    assert (found.path if found else None) == (f"files/srv/{page}" if page else None)


def test_which_ports() -> None:
    assert application.tcp_ports(("icmp", "tcp/8080", "udp/53", "tcp/80")) == (8080, 80)


def test_the_server_is_append_only_private_and_not_root() -> None:
    argv = server.argv(Listener("10.0.0.1", 8000, Path("/etc/s"), Path("/srv/restic")))
    assert {"--append-only", "--private-repos", "--min-tls-version=tls1.2", "--addr=10.0.0.1:8000"} <= set(argv)
    assert argv[:3] == ["setpriv", "--reuid=backup", "--regid=backup"]
    assert "ExecStart=setpriv --reuid=backup" in server.unit(Listener("10.0.0.1", 8000, Path("/e"), Path("/s")))


def test_the_certificate_is_for_one_address_and_accepted_by_openssl(tmp_path: Path) -> None:
    pem, key = certificate.make("10.0.0.1", NOON)
    assert certificate.addresses(pem) == ("10.0.0.1",)
    assert str(key) == "<secret>"
    (tmp_path / "crt").write_text(pem)
    (tmp_path / "key").write_text(key.reveal())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "crt", tmp_path / "key")


def test_secrets_are_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "password"
    first = keep_secret(path)
    assert keep_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(first.reveal()) >= 43, "256 bits in base64"
    assert new_secret() != new_secret()


def test_a_private_file_is_rewritten_only_if_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_private(path, "one")
    assert not write_private(path, "one")
    path.chmod(0o644)
    assert write_private(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_tree_is_copied_with_modes_and_without_what_holds_no_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "in").mkdir(parents=True)
    (source / "in" / "file").write_text("x")
    (source / "in" / "file").chmod(0o4750)
    os.utime(source / "in" / "file", (1, 1))
    (source / "link").symlink_to("/nonexistent")
    os.mkfifo(source / "pipe")
    (source / "in").chmod(0o2711)
    assert tree.copy(source, tmp_path / "target") == (str(source / "pipe"),)
    status = (tmp_path / "target" / "in" / "file").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o4750, 1)
    assert stat.S_IMODE((tmp_path / "target" / "in").stat().st_mode) == 0o2711
    assert str((tmp_path / "target" / "link").readlink()) == "/nonexistent"
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["in", "link"]


def test_a_tree_takes_the_place_of_another_and_keeps_it_once(tmp_path: Path) -> None:
    for number in range(3):
        new = tmp_path / f"new{number}"
        new.mkdir()
        (new / "mark").write_text(str(number))
        tree.replace(new, tmp_path / "here", tmp_path / "aside")
    assert (tmp_path / "here" / "mark").read_text() == "2"
    assert (tmp_path / "aside" / "mark").read_text() == "1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "here"]


def test_folders_that_others_pass_through(tmp_path: Path) -> None:
    folder = tree.clear(tmp_path / "a" / "b")
    (folder / "old").touch()
    assert not list(tree.clear(folder).iterdir())
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o711
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
