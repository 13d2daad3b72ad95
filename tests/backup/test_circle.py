"""The whole way with real programs: save, copy over TLS, restore, compare, start, ask; and what makes it go red."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from backup import damage, job
from backup.machine import Machine
from backup.report import JobReport
from backup.repository import write_private
from backup.restic import Reason, ResticError, Snapshot
from backup.restored import DifferentError
from backup.testing import Pair
from inventory.asset import Files, Postgres

pytestmark = pytest.mark.tools

CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump' AND query LIKE 'COPY%long%'
"""


def words(report: JobReport) -> str:
    return "\n".join(problem.report() for problem in report.problems)


def snapshots_at(machine: Machine, name: str) -> tuple[Snapshot, ...]:
    return machine.plain_restic.snapshots(machine.layout.disk(name))


def test_a_database_comes_back(saved: Pair) -> None:
    report = saved.good(saved.standby, "verify", "approval")
    assert report.facts["queries"] == {"114 items": True, "owner": True}
    # One file per table, the table of contents, the roles, the ledger.
    assert report.facts["files"] == 6
    assert report.facts["service"]["address"] == "10.9.8.7"
    assert report.facts["service"]["ports"] == [8080]
    assert datetime.fromisoformat(report.facts["as_of"]).tzinfo is not None


def test_files_come_back_and_are_served(saved: Pair) -> None:
    report = saved.good(saved.standby, "verify", "portal")
    assert report.facts["pages"] == [{"path": str(saved.pages), "page": "/index.html", "port": 8080, "bytes": 15}]


def test_a_proof_leaves_nothing_behind(saved: Pair) -> None:
    bubbles = saved.standby.layout.bubbles
    before = {path.name for path in bubbles.glob("netdr-*")}
    saved.good(saved.standby, "verify", "approval")
    assert {path.name for path in bubbles.glob("netdr-*")} <= before
    left = [
        row for row in subprocess.check_output(["ps", "-eo", "args"], text=True).splitlines() if "netdr-appr" in row
    ]
    assert left == []


@pytest.mark.parametrize("name", ["approval", "portal"])
def test_a_flipped_bit_turns_the_proof_red_and_back(broken: Machine, saved: Pair, name: str) -> None:
    where = damage.choose(broken.plain_restic, broken.layout.disk(name), name)
    damage.flip(broken.layout.repositories, name, where.pack, where.offset)
    report = saved.do(broken, "verify", name)
    assert not report.ok
    assert isinstance(report.problems[0], DifferentError)
    assert report.problems[0].exit_code == 10
    assert where.file in report.problems[0].paths
    assert where.snapshot[:8] in words(report)
    # restic leaves out a file whose only piece is damaged, and leaves a hole in a longer one.
    assert f"{where.file} (missing)" in words(report) or f"{where.file} (content)" in words(report)
    assert saved.do(broken, "status", name).problems, "a failed proof can never look green"
    damage.flip(broken.layout.repositories, name, where.pack, where.offset)
    assert saved.do(broken, "verify", name).ok
    assert saved.do(broken, "status", name).ok


def test_a_deleted_snapshot_is_missed(broken: Machine, saved: Pair) -> None:
    saved.good(broken, "verify", "portal")
    copies = snapshots_at(broken, "portal")
    (broken.layout.repositories / "portal" / "snapshots" / copies[-1].id).unlink()
    report = saved.do(broken, "verify", "portal")
    assert report.problems[0].exit_code == 10
    assert f"snapshot {copies[-1].source[:8]}" in words(report)
    assert "is in the ledger and not in the repository" in words(report)


def test_a_named_snapshot_that_is_not_there(saved: Pair) -> None:
    report = saved.do(saved.standby, "verify", "portal", snapshot="feedface")
    assert "there is no snapshot 'feedface'" in words(report)


def test_a_damaged_list_of_snapshots_is_red_although_restic_says_0(broken: Machine, saved: Pair) -> None:
    path = broken.layout.repositories / "portal" / "snapshots" / snapshots_at(broken, "portal")[0].id
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ResticError) as caught:
        snapshots_at(broken, "portal")
    assert caught.value.reason is Reason.DAMAGED
    assert not saved.do(broken, "verify", "portal").ok


def test_a_query_that_is_not_true(saved: Pair) -> None:
    duty = saved.standby.book.duties["approval"]
    data = Postgres(kind="postgresql", database="approval", queries={"115 items": "SELECT count(*) = 115 FROM item"})
    wrong = dataclasses.replace(duty, asset=duty.asset.model_copy(update={"data": (data,)}))
    book = dataclasses.replace(saved.standby.book, duties={"approval": wrong})
    report = saved.do(dataclasses.replace(saved.standby, book=book), "verify", "approval")
    assert "the query '115 items' is not true" in words(report)
    assert "[['f']]" in words(report)
    saved.good(saved.standby, "verify", "approval")


def test_a_wrong_credential(saved: Pair) -> None:
    location = saved.home.layout.standby("portal", saved.home.book.server).location
    good = location.read_text()
    try:
        write_private(location, good.replace("https://portal:", "https://portal:x"))
        report = saved.do(saved.home, "copy", "portal")
        assert "the backup server refused the credential" in words(report)
        assert good.split("portal:")[1].split("@")[0] not in words(report)
        # Its own good credential does not open another service's repository.
        write_private(location, good.replace("8000/portal/", "8000/approval/"))
        assert "the credential is for another service" in words(saved.do(saved.home, "copy", "portal"))
    finally:
        write_private(location, good)
    saved.good(saved.home, "copy", "portal")


def test_a_wrong_repository_password(broken: Machine, saved: Pair) -> None:
    write_private(broken.layout.disk("portal").password, "wrong\n")
    report = saved.do(broken, "verify", "portal")
    assert "the repository's password is not the one on this host" in words(report)


def test_another_certificate_is_refused(saved: Pair, tmp_path: Path) -> None:
    pinned = saved.home.layout.certificate
    good = pinned.read_text()
    other = tmp_path / "other.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=other", "-keyout", "/dev/null", "-out", other],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    try:
        write_private(pinned, other.read_text())
        report = saved.do(saved.home, "copy", "portal")
        assert "the backup server does not show the pinned certificate" in words(report)
    finally:
        write_private(pinned, good)


def test_the_home_site_cannot_delete_or_overwrite(saved: Pair) -> None:
    repository = saved.home.layout.standby("portal", saved.home.book.server)
    url = repository.location.read_text().strip().removeprefix("rest:")
    before = tree(saved.standby.layout.repositories / "portal")
    snapshot = snapshots_at(saved.standby, "portal")[0].id
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(repository.cacert)]
    for verb, path in [
        ("DELETE", f"snapshots/{snapshot}"),
        ("DELETE", "config"),
        ("POST", "config"),
        ("POST", f"snapshots/{snapshot}"),
        ("DELETE", ""),
    ]:
        body = ["--data-binary", "x"] if verb == "POST" else []
        code = subprocess.check_output([*curl, "-X", verb, *body, url + path], text=True, timeout=30)
        assert code in {"403", "404", "405"}, (verb, path, code)
    assert tree(saved.standby.layout.repositories / "portal") == before


def test_without_a_credential_nothing_is_shown(saved: Pair) -> None:
    repository = saved.home.layout.standby("portal", saved.home.book.server)
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(repository.cacert)]
    assert subprocess.check_output([*curl, repository.label + "config"], text=True, timeout=30) == "401"


def test_a_missing_source_is_refused_before_anything_is_saved(saved: Pair) -> None:
    home = with_data(saved.home, "portal", Files(kind="files", path="/nonexistent/a"), Files(kind="files", path="/etc"))
    before = len(saved.home.restic.snapshots(saved.home.layout.home("portal")))
    report = saved.do(home, "run", "portal")
    assert "/nonexistent/a: there is no such directory" in words(report)
    home = with_data(saved.home, "portal", Postgres(kind="postgresql", database="nobody"))
    assert "there is no database 'nobody'" in words(saved.do(home, "run", "portal"))
    assert len(saved.home.restic.snapshots(saved.home.layout.home("portal"))) == before
    assert saved.do(saved.home, "status", "portal").problems, "a failed job can never look green"
    saved.good(saved.home, "run", "portal")
    saved.good(saved.home, "status", "portal")


def test_a_failing_dump_makes_no_snapshot(saved: Pair) -> None:
    before = saved.home.restic.snapshots(saved.home.layout.home("approval"))
    saved.cluster.query("CREATE TABLE long AS SELECT i FROM generate_series(1, 2000000) i", "approval")
    done = threading.Event()

    def cut() -> None:
        # The server ends the dump's connections while the table is being written.
        while not done.wait(0.01):
            saved.cluster.query(CUT)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        report = saved.do(saved.home, "run", "approval")
    finally:
        done.set()
        cutter.join()
        saved.cluster.query("DROP TABLE long", "approval")
    assert not report.ok
    assert "pg_dump" in words(report)
    assert saved.home.restic.snapshots(saved.home.layout.home("approval")) == before


def test_a_unit_that_goes_on_writing_causes_no_false_red(saved: Pair) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (saved.pages / "news" / "list.txt").write_text(f"{number}\n" * 20000)
            (saved.pages / f"new-{number % 50}").write_text("x")
            (saved.pages / f"new-{(number + 25) % 50}").unlink(missing_ok=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        saved.good(saved.home, "run", "portal")
    finally:
        stop.set()
        writer.join()
    saved.good(saved.standby, "verify", "portal")


def test_what_was_acknowledged_before_as_of_is_in_the_copy(saved: Pair) -> None:
    stop = threading.Event()
    acknowledged: list[float] = []

    def beat() -> None:
        while not stop.is_set():
            row = saved.cluster.query(
                "INSERT INTO heartbeat DEFAULT VALUES RETURNING extract(epoch FROM at)", "approval"
            )
            acknowledged.append(float(row[0][0]))

    writer = threading.Thread(target=beat)
    writer.start()
    try:
        time.sleep(0.3)
        report = saved.good(saved.home, "run", "approval")
    finally:
        stop.set()
        writer.join()
    saved.good(saved.standby, "restore", "approval")
    newest = float(saved.cluster.query("SELECT extract(epoch FROM max(at)) FROM heartbeat", "approval")[0][0])
    as_of = datetime.fromisoformat(report.facts["as_of"]).timestamp()
    due = [moment for moment in acknowledged if moment < as_of]
    assert due, "the writer has written before the backup"
    assert newest >= max(due)
    # Not more than a dump's time later, or as_of would be a guess.
    assert newest - as_of < 5


def test_a_killed_backup_is_made_good_by_the_next_run(saved: Pair) -> None:
    (saved.pages / "big").write_bytes(os.urandom(60_000_000))
    name, duty = "portal", saved.home.book.duties["portal"]
    what = job.plan(saved.home, duty)
    before = len(saved.home.restic.snapshots(what.repository))
    victim = threading.Thread(target=lambda: saved.do(saved.home, "run", name))
    victim.start()
    try:
        killed = kill_restic(str(what.repository.location), limit=30)
    finally:
        victim.join()
    assert killed
    try:
        assert len(saved.home.restic.snapshots(what.repository)) == before
        saved.good(saved.home, "run", name)
        saved.good(saved.standby, "verify", name)
        assert not what.folder.exists(), "the staged copy is gone"
    finally:
        (saved.pages / "big").unlink()


def test_two_runs_at_once(saved: Pair) -> None:
    with saved.home.alone("portal", "run"):
        report = saved.do(saved.home, "run", "portal")
    assert "another run of portal is at work" in words(report)
    assert report.problems[0].exit_code == 15
    saved.good(saved.home, "run", "portal")


def test_a_full_disk_at_home(saved: Pair) -> None:
    # The dump is made by another account, which cannot pass through pytest's own folders.
    disk = saved.root / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True, timeout=30)
    try:
        layout = dataclasses.replace(saved.home.layout, cache=disk)
        home = dataclasses.replace(saved.home, layout=layout)
        assert saved.do(home, "run", "approval").ok  # 2 MB are enough for this dump
        saved.cluster.query(
            "CREATE TABLE big AS SELECT repeat(md5(i::text), 100) t FROM generate_series(1, 1300) i", "approval"
        )
        assert "No space left on device" in words(saved.do(home, "run", "approval"))
    finally:
        saved.cluster.query("DROP TABLE IF EXISTS big", "approval")
        subprocess.run(["umount", disk], check=True, timeout=30)
        disk.rmdir()
    saved.good(saved.home, "run", "approval")


def test_fail_over_and_back_loses_nothing(saved: Pair) -> None:
    """What is written while the service is active at the DR site is home again after a carry."""
    saved.good(saved.home, "run", "approval")
    # One cluster plays both hosts': what counts is which repository is read and written.
    saved.cluster.query("DELETE FROM item WHERE id > 100", "approval")
    report = saved.good(saved.standby, "restore", "approval")
    assert saved.cluster.query("SELECT count(*) FROM item", "approval") == [["114"]]
    assert saved.cluster.query("SELECT count(*) FROM item", "approval_before_restore") == [["100"]]
    assert saved.cluster.query("SELECT tableowner FROM pg_tables WHERE tablename = 'item'", "approval") == [
        ["approval"]
    ]
    assert datetime.fromisoformat(report.facts["as_of"])
    saved.cluster.query("INSERT INTO heartbeat(id) VALUES (4242)", "approval")
    made = saved.good(saved.standby, "run", "approval").facts["snapshot"]
    saved.cluster.query("DELETE FROM heartbeat", "approval")
    back = saved.good(saved.home, "restore", "approval", snapshot=made, origin="standby")
    assert back.facts["source"] == made
    assert saved.cluster.query("SELECT count(*) FROM heartbeat WHERE id = 4242", "approval") == [["1"]]
    saved.good(saved.home, "run", "approval")
    saved.good(saved.standby, "verify", "approval")


def test_restored_files_take_the_place_of_the_old_ones(saved: Pair) -> None:
    saved.good(saved.home, "run", "portal")
    (saved.pages / "index.html").write_text("defaced")
    (saved.pages / "extra").write_text("not in the backup")
    saved.good(saved.standby, "restore", "portal")
    assert (saved.pages / "index.html").read_text(encoding="utf-8") == "<h1>苏仙</h1>"
    assert not (saved.pages / "extra").exists()
    assert str((saved.pages / "latest").readlink()) == "news/list.txt"
    assert (saved.pages.with_name("portal.before-restore") / "index.html").read_text() == "defaced"


def test_a_damaged_copy_is_never_put_into_place(broken: Machine, saved: Pair) -> None:
    where = damage.choose(broken.plain_restic, broken.layout.disk("portal"), "portal")
    damage.flip(broken.layout.repositories, "portal", where.pack, where.offset)
    (saved.pages / "index.html").write_text("<h1>苏仙</h1>", encoding="utf-8")
    report = saved.do(broken, "restore", "portal")
    assert isinstance(report.problems[0], DifferentError)
    assert (saved.pages / "index.html").read_text(encoding="utf-8") == "<h1>苏仙</h1>"


def test_secrets_are_in_no_command_line_and_no_report(saved: Pair) -> None:
    folder = saved.home.layout.credentials
    hidden = {path.read_text().strip() for path in folder.glob("*/*.password")}
    url = (folder / "portal" / "standby.repository").read_text()
    hidden.add(url.split("portal:")[1].split("@")[0])
    seen: list[str] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            seen.append(subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=False).stdout)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        report = saved.good(saved.home, "run", "portal")
    finally:
        stop.set()
        watcher.join()
    shown = "\n".join(seen) + str(report.as_dict())
    assert any("restic" in one for one in seen)
    assert not [secret for secret in hidden if secret in shown]


def test_the_list_says_what_is_proven(saved: Pair) -> None:
    saved.good(saved.standby, "verify", "portal")
    rows = saved.good(saved.standby, "list", "portal").facts["snapshots"]
    assert rows[-1]["proof"] == "passed"


def with_data(machine: Machine, name: str, *data: Files | Postgres) -> Machine:
    duty = machine.book.duties[name]
    changed = dataclasses.replace(duty, asset=duty.asset.model_copy(update={"data": data}))
    return dataclasses.replace(machine, book=dataclasses.replace(machine.book, duties={name: changed}))


def tree(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file() and "/locks/" not in str(path)
    }


def kill_restic(location: str, limit: float) -> bool:
    """Kill the restic that backs up to ``location`` with SIGKILL; return whether there was one."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = entry.read_text().split("\0")
            except OSError:
                continue
            if location in argv and "backup" in argv:
                time.sleep(0.6)
                os.kill(int(entry.parent.name), signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False
