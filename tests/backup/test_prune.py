"""Retention on real repositories: spoofed times, an encrypted tree, a killed prune, files of the server's account."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup import brake, manifest, prune, watch
from backup.brake import Release
from backup.duty import Book, Duty, Role
from backup.gaps import gaps
from backup.host import LocalShell
from backup.ledger import Ledger
from backup.machine import Machine
from backup.manifest import Manifest
from backup.postgres import Cluster
from backup.report import Steps
from backup.repository import Layout, write_private
from backup.restic import Repository
from backup.testing import Pair
from inventory.asset import Asset, Files, Protection, Retention
from inventory.entry import Name
from netdr.kernel.errors import BackupError, UsageError

pytestmark = pytest.mark.tools

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 16, 2, tzinfo=UTC)
OPEN = "/var/tmp"  # noqa: S108 - folders in it have random names, and other accounts can reach them
RESTIC = "restic"
QUIET = Steps("records", lambda _: None)
PROTECTION = Protection.model_validate(
    {
        "id": "p", "rpo": "1d", "rto": "1d", "every": "1d", "retention": {"daily": 7},
        "copies": ({"at": "home", "media": "disk"},), "proof": {"every": "1d", "read_within": "30d"},
    }
)  # fmt: skip


def no_cluster() -> Cluster:
    raise AssertionError


@dataclasses.dataclass
class Site:
    """A host with one asset, and restic as whoever writes to its repository would run it."""

    machine: Machine
    repository: Repository
    tree: Path
    now: datetime = MONDAY

    @property
    def duty(self) -> Duty:
        return self.machine.book.duties["records"]

    @property
    def ledger(self) -> Ledger:
        return self.machine.ledger("records")

    @property
    def folder(self) -> Path:
        return self.machine.layout.repositories / "records"

    def keeping(self, **rule: int) -> Duty:
        kept = self.duty.protection.model_copy(update={"retention": Retention(**rule)})
        return dataclasses.replace(self.duty, protection=kept)

    def restic(self, *words: str, cwd: Path | None = None) -> str:
        options = [word for option in self.repository.options for word in ("-o", option)]
        opened = ["--repository-file", str(self.repository.location), "--password-file", str(self.repository.password)]
        argv = [RESTIC, *words, *opened, *options, "--no-cache"]
        return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=cwd, timeout=120).stdout

    def save(self, claimed: datetime, came: datetime | None = None) -> str:
        """Save the tree as one that claims a time, and let its object be of the time when it came; return its id."""
        made = Manifest("records", "srv-a", claimed, manifest.scan(self.tree), {})
        (self.tree / manifest.NAME).write_text(made.dump())
        tags = [f"--tag=service:records,manifest:{made.root},as-of:{claimed.isoformat()}"]
        when = [f"--time={claimed:%F %T}", "--host=srv-a"]
        out = self.restic("backup", "--json", *when, *tags, ".", cwd=self.tree)
        short = json.loads(out.splitlines()[-1])["snapshot_id"]
        (path,) = (self.folder / "snapshots").glob(f"{short}*")
        stamp = (came or claimed).timestamp()
        for one in (path, *(self.folder / "index").iterdir()):
            if one == path or one.stat().st_mtime > (MONDAY + 90 * DAY).timestamp():
                os.utime(one, (stamp, stamp))
        return path.name

    def snapshots(self) -> set[str]:
        return {path.name for path in (self.folder / "snapshots").iterdir()}


def site(role: Role) -> Iterator[Site]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("restic", "rclone", "openssl"))):
        pytest.skip("needs root, restic, rclone and openssl")
    top = Path(subprocess.check_output(["mktemp", "-d", "-p", OPEN, "nb-XXXXXX"], text=True).strip())
    top.chmod(0o711)
    asset = Asset(
        id="records", name=Name(zh="档案", en="Records"), home="main", standby="dr", protection="p",
        data=(Files(kind="files", path="/srv/records"),),
    )  # fmt: skip
    book = Book("srv-b", "services", "127.0.0.1", {"records": Duty(asset, role, PROTECTION)})
    layout = Layout.under(top)
    tree = top / "tree"
    (tree / "files" / "srv").mkdir(parents=True)
    for number in range(30):
        (tree / "files" / "srv" / f"{number}.txt").write_text(f"case {number}: received, checked, decided\n" * 200)
    layout.repositories.mkdir(parents=True)
    for name in ("standby", "home"):
        write_private(layout.credentials / "records" / f"{name}.password", "not-a-secret\n")
        write_private(layout.credentials / "records" / f"{name}.repository", f"{layout.repositories}/records\n")
    write_private(layout.credentials / "records" / "disk.repository", f"{layout.repositories}/records\n")
    machine = Machine(book, layout, LocalShell("srv-b"), no_cluster, lambda: made.now, program=RESTIC)
    if role == "standby":
        shutil.chown(layout.repositories, "backup", "backup")
        shutil.chown(layout.repositories.parent, "backup", "backup")
    way = prune.maintained(machine, book.duties["records"])
    made = Site(machine, way, tree)
    made.restic("init")
    yield made
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def first() -> Iterator[Site]:
    yield from site("standby")


@pytest.fixture
def standby(first: Site) -> Iterator[Site]:
    """The same DR host for every test, emptied: making a repository takes three seconds."""
    before = {path.name: path.read_bytes() for path in (first.tree / "files" / "srv").iterdir()}
    yield first
    first.ledger.path.unlink(missing_ok=True)
    ids = first.snapshots()
    if ids:
        first.restic("forget", *ids)
    for name, content in before.items():
        (first.tree / "files" / "srv" / name).write_bytes(content)


@pytest.fixture
def home() -> Iterator[Site]:
    yield from site("home")


def run(at: Site, duty: Duty | None = None) -> dict[str, Any]:
    return dict(prune.run(at.machine, duty or at.duty, QUIET))


def test_spoofed_times_forget_nothing_real(standby: Site) -> None:
    real = [standby.save(MONDAY + n * DAY) for n in range(3)]
    standby.now = MONDAY + 2 * DAY + 12 * HOUR
    fakes = [standby.save(MONDAY + n * DAY + 21 * HOUR, MONDAY + 2 * DAY + 11 * HOUR) for n in range(3)]
    # What restic would do by the times it is told: keep the fakes, and forget what is real. (From 0.17 on it spares the
    # oldest one, whatever it is.)
    plan = json.loads(
        standby.restic("forget", "--keep-daily", "7", "--dry-run", "--json", "--group-by", "").split("\n")[0]
    )
    assert {one["id"] for one in plan[0]["remove"]} >= {real[1]}
    facts = run(standby)
    assert facts["forgotten"] == []
    assert standby.snapshots() == {*real, *fakes}
    assert [facts["kept"][one].partition(":")[0] for one in fakes] == ["quarantined"] * 3
    assert "future-dated" in facts["kept"][fakes[2]]
    facts = run(standby, standby.keeping(last=1, daily=2))
    assert facts["forgotten"] == real[:1]
    assert standby.snapshots() == {*real[1:], *fakes}
    assert [line.facts["state"] for line in standby.ledger.lines() if line.kind == "prune"] == ["begun", "ended"]
    assert gaps(standby.ledger.lines(), standby.snapshots()) == ()
    standby.restic("check")
    assert {path.owner() for path in standby.folder.rglob("*")} == {"backup"}
    looked = watch.run(standby.machine, standby.duty, QUIET)
    assert (looked["new"], looked["gaps"], len(looked["quarantined"])) == (0, {}, 3)


def test_a_deleted_snapshot_is_named(standby: Site) -> None:
    ids = [standby.save(MONDAY + n * DAY) for n in range(2)]
    run(standby)
    (standby.folder / "snapshots" / ids[0]).unlink()
    assert watch.run(standby.machine, standby.duty, QUIET)["gaps"] == {ids[0]: "deleted"}


def test_a_tree_encrypted_in_place_stops_retention_until_a_person_looks(standby: Site) -> None:
    files = sorted((standby.tree / "files" / "srv").iterdir())
    good = []
    for day in range(2):
        files[day].write_text(f"day {day}\n" * 20_000)
        standby.now = MONDAY + day * DAY
        good.append(standby.save(standby.now))
        assert run(standby)["forgotten"] == [], "a normal day"
    for path in files:
        encrypt(path)
    standby.now = MONDAY + 2 * DAY
    bad = standby.save(standby.now)
    duty = standby.keeping(last=1)
    for _ in range(2):
        with pytest.raises(BackupError, match=r"the brake is on.*100% of the files changed") as caught:
            run(standby, duty)
    assert "netdr backup release" in caught.value.hint
    assert standby.snapshots() == {*good, bad}
    with pytest.raises(UsageError, match="a person's name and a reason"):
        brake.release(standby.machine, duty, QUIET, Release(" ", "looked"))
    brake.release(standby.machine, duty, QUIET, Release("Duty officer", "it was a test"))
    assert run(standby, duty)["forgotten"] == good
    with pytest.raises(BackupError, match="there is no open hold"):
        brake.release(standby.machine, duty, QUIET, Release("Duty officer", "again"))


def test_the_newest_proven_one_stays(standby: Site) -> None:
    ids = [standby.save(MONDAY + n * DAY) for n in range(4)]
    standby.now = MONDAY + 4 * DAY
    for n, result in ((0, "passed"), (1, "passed"), (2, "failed")):
        facts = {"source": ids[n], "result": result, "as_of": (MONDAY + n * DAY).isoformat()}
        standby.ledger.add("proof", standby.now, facts)
    facts = run(standby, standby.keeping(last=1))
    assert facts["kept"] == {ids[1]: "the newest proven", ids[3]: "number 1 of last 1"}


def test_a_released_quarantine_counts_again(standby: Site) -> None:
    standby.now = MONDAY
    early = standby.save(MONDAY + DAY, MONDAY)
    assert "future-dated" in watch.run(standby.machine, standby.duty, QUIET)["quarantined"][early]
    brake.release(standby.machine, standby.duty, QUIET, Release("Duty officer", "wrong clock", snapshot=early[:8]))
    assert watch.run(standby.machine, standby.duty, QUIET)["quarantined"] == {}
    with pytest.raises(BackupError, match="0 quarantined snapshots begin with 'ffff'"):
        brake.release(standby.machine, standby.duty, QUIET, Release("Duty officer", "?", snapshot="ffff"))


def test_a_prune_that_was_killed_is_finished(standby: Site) -> None:
    ids = [standby.save(MONDAY + n * DAY) for n in range(3)]
    standby.now = MONDAY + 3 * DAY
    run(standby)
    # Killed after one of two snapshots was forgotten, before anything else was.
    words = " ".join(ids[:2])
    standby.ledger.add("prune", standby.now, {"state": "begun", "ids": words, "sources": words})
    (standby.folder / "snapshots" / ids[0]).unlink()
    assert run(standby, standby.keeping(last=1))["forgotten"] == [ids[1]]
    assert standby.ledger.lines()[-1].facts["state"] == "ended"
    assert gaps(standby.ledger.lines(), standby.snapshots()) == ()
    # Killed when all were forgotten: only what nobody needs is left to be removed.
    standby.ledger.add("prune", standby.now, {"state": "begun", "ids": words, "sources": words})
    assert run(standby, standby.keeping(last=1))["forgotten"] == []
    assert standby.ledger.lines()[-1].facts["state"] == "ended"


def test_a_copy_under_way_is_waited_for(standby: Site) -> None:
    ids = [standby.save(MONDAY + n * DAY) for n in range(2)]
    standby.now = MONDAY + 2 * DAY
    options = [word for option in standby.repository.options for word in ("-o", option)]
    opened = [
        "--repository-file",
        str(standby.repository.location),
        "--password-file",
        str(standby.repository.password),
    ]
    argv = [RESTIC, "backup", "--stdin", "-q", *opened, *options, "--no-cache"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as copy, ThreadPoolExecutor(1) as pool:
        wait_for(lambda: any((standby.folder / "locks").iterdir()))
        pruning = pool.submit(run, standby, standby.keeping(last=1))
        wait_for(lambda: any(line.kind == "prune" for line in standby.ledger.lines()))
        with pytest.raises(TimeoutError):
            pruning.result(3)
        copy.communicate(timeout=60)
        assert pruning.result(60)["forgotten"] == ids[:1]


def test_home_forgets_only_what_has_arrived(home: Site) -> None:
    ids = [home.save(MONDAY + n * DAY) for n in range(4)]
    for n, one in enumerate(ids):
        facts = {"id": one, "manifest": "m", "as_of": MONDAY.isoformat(), "host": "srv-b"}
        home.ledger.add("snapshot", MONDAY + n * DAY, facts)
    for one in ids[1:]:
        home.ledger.add("copy", MONDAY + 4 * DAY, {"id": one})
    facts = run(home, home.keeping(last=1))
    assert facts["kept"] == {ids[0]: "its copy has not arrived", ids[3]: "number 1 of last 1"}
    assert facts["forgotten"] == ids[1:3]
    assert home.snapshots() == {ids[0], ids[3]}


def encrypt(path: Path) -> None:
    argv = ["openssl", "enc", "-aes-256-ctr", "-K", os.urandom(32).hex(), "-iv", os.urandom(16).hex()]
    result = subprocess.run(argv, input=path.read_bytes(), capture_output=True, check=True, timeout=30)
    path.write_bytes(result.stdout)


def test_beside_the_live_server_and_a_touched_canary(saved: Pair) -> None:
    """The whole way: init planted the canary, copies arrive through the server, which serves on while it is pruned."""
    canary = saved.pages / brake.CANARY
    assert canary.is_file()
    duty = saved.standby.book.duties["portal"]
    rule = duty.protection.model_copy(update={"retention": Retention(last=1)})
    one = dataclasses.replace(duty, protection=rule)
    if brake.holds(saved.standby.ledger("portal").lines()):
        # What other tests did to these pages may well look wrong.
        brake.release(saved.standby, one, QUIET, Release("Duty officer", "tests before this one"))
    saved.good(saved.home, "run", "portal")
    saved.good(saved.home, "run", "portal")
    facts = prune.run(saved.standby, one, QUIET)
    folder = saved.standby.layout.repositories / "portal"
    left = {path.name for path in (folder / "snapshots").iterdir()}
    assert left == set(facts["kept"])
    assert facts["forgotten"]
    assert {path.owner() for path in folder.rglob("*")} == {"backup"}
    report = saved.good(saved.home, "run", "portal")
    assert report.facts["copied"] == 1, "what was forgotten there is not sent again"
    assert report.facts["gone"] >= len(facts["forgotten"])
    saved.good(saved.standby, "verify", "portal")
    canary.write_text("encrypted, say\n")
    saved.good(saved.home, "run", "portal")
    held = saved.good(saved.standby, "tend", "portal").facts["holds"]
    assert held == [f"the canary files{canary} was changed or deleted"]
    with pytest.raises(BackupError, match="the brake is on"):
        prune.run(saved.standby, one, QUIET)
    brake.release(saved.standby, one, QUIET, Release("Duty officer", "changed it myself"))
    prune.run(saved.standby, one, QUIET)


def wait_for(ready: Callable[[], bool], limit: float = 30) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.05)
