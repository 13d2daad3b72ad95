"""What the home site's credential can do at the DR site: add and read. Every verb is tried on every kind of object."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import newer
import pytest

from backup import server, setup
from backup.duty import Book, Duty
from backup.host import LocalShell
from backup.repository import Layout
from backup.restic import Repository, Restic
from backup.restic.objects import names
from inventory.asset import Asset, Files, Protection
from inventory.entry import Name
from netdr.kernel.errors import BackupError

pytestmark = pytest.mark.tools

# RFC 9110's methods that are meant to change something, and WebDAV's (RFC 4918).
CHANGING = ("DELETE", "PUT", "PATCH", "POST", "MOVE", "COPY", "MKCOL", "PROPPATCH", "LOCK")
KINDS = ("keys", "snapshots", "index", "data")
# Seconds. restic 0.14 goes on trying for most of a minute what it was refused at once.
PATIENCE = 12


@dataclass(frozen=True)
class Site:
    """A running server of one kind, and a repository on it as its home host opens it."""

    kind: str
    layout: Layout
    home: Repository
    cache: Path

    @property
    def folder(self) -> Path:
        return self.layout.repositories / "records"

    def ask(self, verb: str, path: str, body: bytes = b"") -> int:
        url = urlsplit(self.home.location.read_text().strip().removeprefix("rest:"))
        trust = ssl.create_default_context(cafile=str(self.home.cacert))
        word = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=20, context=trust)
        try:
            connection.request(verb, path, body, {"Authorization": f"Basic {word}"})
            return connection.getresponse().status
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return 0
        finally:
            connection.close()

    def objects(self) -> list[str]:
        one_of_each = [
            next(path for path in sorted((self.folder / kind).rglob("*")) if path.is_file()) for kind in KINDS
        ]
        return ["config", *(f"{kind}/{path.name}" for kind, path in zip(KINDS, one_of_each, strict=True))]

    def content(self) -> dict[str, str]:
        """Return the digest of every file of every repository but locks, which restic must be able to remove."""
        files = [path for path in self.layout.repositories.rglob("*") if path.is_file() and path.parent.name != "locks"]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def restic(self, *words: str) -> int | None:
        """Return restic's exit code, None if it still tries when nobody waits any longer."""
        argv = ["restic", *words, "--repository-file", str(self.home.location), "--cacert", str(self.home.cacert)]
        argv += ["--password-file", str(self.home.password), "--no-cache"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(argv, capture_output=True, check=False, timeout=PATIENCE).returncode
        return None


def programs() -> Iterator[str]:
    yield server.RCLONE
    yield server.REST_SERVERS[0]


@pytest.fixture(scope="module", params=programs())
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    kind = request.param
    if os.geteuid() != 0 or shutil.which("restic") is None or shutil.which(server.RCLONE) is None:
        pytest.skip("needs root, restic and rclone")
    found = found_program(kind)
    top = Path(tempfile.mkdtemp(prefix="nb-", dir="/var/tmp"))
    top.chmod(0o711)
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.{2 + len(kind)}"
    duties = {name: Duty(asset(name), "standby", Protection.model_construct(id="p")) for name in ("records", "permits")}
    layout = Layout.under(top)
    access = setup.prepare(Book("srv-b", "services", address, duties), layout, datetime.now(UTC))
    layout.repositories.chmod(0o700)
    for folder in layout.repositories.relative_to(top).parents:
        (top / folder).chmod(0o711)
    for one in (layout.server, *layout.server.parents):
        if one.is_relative_to(top):
            one.chmod(0o711)
    with (top / "log").open("w") as log:
        # Where the server's account can reach it.
        own = shutil.copy2(found, top / "program")
        argv = [str(own) if word == kind else word for word in server.argv(setup.listener(layout, address), kind)]
        running = subprocess.Popen(argv, stdout=log, stderr=log, cwd="/", env={"PATH": os.environ["PATH"]})
    try:
        end = time.monotonic() + 20
        while not server.listens(setup.listener(layout, address)):
            assert time.monotonic() < end, (top / "log").read_text()
            time.sleep(0.05)
        assert access.certificate
        home = layout.standby("records", address)
        restic = Restic(LocalShell("srv-a"), None)
        restic.init(home)
        made = Site(kind, layout, home, top)
        (top / "page").write_text("page")
        assert made.restic("backup", str(top / "page")) == 0
        assert made.restic("backup", "--force", str(top / "page")) == 0
        yield made
    finally:
        running.terminate()
        running.wait(20)
        shutil.rmtree(top)


def found_program(kind: str) -> str:
    """Return the server's program: the installed one, or Debian's newest rest-server."""
    try:
        return shutil.which(kind) or str(newer.rest_server())
    except newer.UnreachableError as error:
        pytest.skip(f"no {kind} here: {error}")


def asset(name: str) -> Asset:
    return Asset(
        id=name, name=Name(zh="档案", en="Records"), home="main", standby="dr", protection="p",
        data=(Files(kind="files", path="/srv/records"),),
    )  # fmt: skip


def test_reading_is_allowed(site: Site) -> None:
    for path in site.objects():
        assert site.ask("HEAD", f"/records/{path}") == 200, path
        assert site.ask("GET", f"/records/{path}") == 200, path
    assert server.exists(site.home)
    assert len(names(site.home, "snapshots")) == 2


def test_no_verb_changes_or_deletes_an_object(site: Site) -> None:
    before = site.content()
    for path in site.objects():
        for verb in CHANGING:
            status = site.ask(verb, f"/records/{path}", b"x")
            assert status == 0 or status >= 400, (verb, path, status)
    for verb in CHANGING:
        for path in ("", "config/", "data/", "snapshots/", "data/../config", "%2e%2e/permits/config", "?create=true"):
            site.ask(verb, f"/records/{path}", b"")
    assert site.content() == before


def test_an_object_cannot_be_replaced_by_an_empty_one(site: Site) -> None:
    before = site.content()
    for path in site.objects():
        assert site.ask("POST", f"/records/{path}") >= 400, path
    assert site.content() == before


def test_nothing_of_another_asset_is_shown_or_made(site: Site) -> None:
    before = site.content()
    for verb in ("GET", "HEAD", "POST", "DELETE"):
        for path in (
            "/permits/config",
            "/permits/",
            "/permits/?create=true",
            "/",
            "/config",
            "/records/../permits/config",
        ):
            status = site.ask(verb, path)
            assert status == 0 or status >= 400 or path == "/records/../permits/config", (verb, path, status)
    assert site.content() == before
    assert not (site.layout.repositories / "permits" / "config").exists()


def test_restics_own_commands_cannot_forget_anything(site: Site) -> None:
    before = site.content()
    (key,), snapshot = names(site.home, "keys"), names(site.home, "snapshots")[0]
    word = site.cache / "word"
    word.write_text("another\n")
    commands = [
        ("forget", snapshot),
        ("forget", "--keep-last", "1", "--prune", "--group-by", ""),
        ("prune", "--max-unused", "0"),
        ("key", "remove", key),
        ("key", "passwd", "--new-password-file", str(word)),
        ("tag", "--set", "x", snapshot),
        ("init",),
        ("repair", "snapshots", "--forget"),
        ("rewrite", "--forget", "--exclude", "page"),
    ]
    with ThreadPoolExecutor(len(commands)) as pool:
        codes = dict(zip(commands, pool.map(lambda words: site.restic(*words), commands), strict=True))
    after = site.content()
    assert {path: after.get(path) for path in before} == before
    # ``tag`` and ``passwd`` add before they delete: what they add may stay, what they delete must.
    assert codes["forget", snapshot] != 0
    assert codes["key", "remove", key] != 0
    assert codes["init",] != 0
    # Locks are the exception that restic needs, or one killed backup would be the last.
    assert site.restic("unlock", "--remove-all") == 0
    assert names(site.home, "locks") == ()


def test_without_or_with_a_wrong_credential_nothing_is_shown(site: Site) -> None:
    wrong = site.cache / "wrong.repository"
    wrong.write_text(site.home.location.read_text().replace("https://records:", "https://records:x"))
    with pytest.raises(BackupError, match="the backup server refused the credential"):
        server.exists(Repository(site.home.label, wrong, site.home.password, site.home.cacert))
    wrong.write_text(site.home.location.read_text().replace("/records/", "/permits/"))
    with pytest.raises(BackupError, match="credential"):
        server.exists(Repository(site.home.label, wrong, site.home.password, site.home.cacert))


def test_junk_under_a_valid_name_is_refused_where_the_server_can_tell(site: Site) -> None:
    """rest-server compares an object's name with its hash; rclone does not, so that ``sweep`` and proofs are needed."""
    status = site.ask("POST", f"/records/data/{'ab' * 32}", b"junk")
    assert status == (200 if site.kind == server.RCLONE else 400)
    (site.folder / "data" / "ab" / ("ab" * 32)).unlink(missing_ok=True)
