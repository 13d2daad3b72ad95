"""Streaming between a real home cluster and this machine as its DR host, over TLS on loopback."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup import certificate, place, postgres, server
from backup import setup as repositories
from backup.postgres import AS_POSTGRES, VERSIONS
from backup.stream import base, canary, extract, link, origin, proof, receiver, retention, setup, standing, tend, wal
from backup.stream.testing import ADDRESS, Two, make, quiet
from inventory.asset import Postgres, Protection, Retention, Service
from inventory.entry import Name
from netdr.kernel.errors import BackupError, Problems, ProofError, UnreachableError, UsageError
from netdr.kernel.secret import Secret

pytestmark = pytest.mark.tools

OPEN = Path("/var/tmp")  # noqa: S108 - folders in it have random names
PROTECTION = Protection.model_validate(
    {
        "id": "tier-1",
        "rpo": "15m",
        "rto": "30m",
        "every": "5m",
        "stream": True,
        "retention": {"last": 2, "daily": 2},
        "copies": ({"at": "home", "media": "disk"}, {"at": "standby", "media": "disk", "immutable": True}),
        "proof": {"every": "1d", "read_within": "30d"},
    }
)
DATA = Postgres(kind="postgresql", database="cases", queries={"some": "SELECT count(*) >= 3 FROM item"})
CASES = Service(
    id="cases",
    name=Name(zh="案件", en="Cases"),
    tier=1,
    home="main",
    standby="dr",
    protection="tier-1",
    app="casework",
    ports=("tcp/8080",),
    data=(DATA,),
)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    if os.geteuid() != 0:
        pytest.skip("needs root: databases run as their own account, recoveries in namespaces")
    missing = [name for name in ("unshare", "nsenter", "setpriv", "flock") if shutil.which(name) is None]
    if missing or not any(VERSIONS.glob("*/bin/pg_receivewal")):
        pytest.skip(f"needs {', '.join(missing) or 'PostgreSQL'}")
    root = Path(tempfile.mkdtemp(prefix="ns-", dir=OPEN))
    root.chmod(0o711)
    pair = make(root, CASES, PROTECTION, "fsync=off")
    try:
        pair.cluster.query("CREATE DATABASE cases")
        pair.cluster.query("CREATE TABLE item(id int PRIMARY KEY, name text)", "cases")
        pair.cluster.query("INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, 3) i", "cases")
        pair.set_up()
        pair.tend()
        yield pair
    finally:
        pair.close()
        shutil.rmtree(root)


def wait_for(ready: Callable[[], bool], limit: float = 30) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not ready in time"
        time.sleep(0.05)


def test_set_up_as_often_as_you_like(two: Two) -> None:
    first = (two.root / "pg/d/pg_hba.conf").read_text()
    offered = two.set_up()
    assert two.set_up() == offered
    assert (two.root / "pg/d/pg_hba.conf").read_text() == first
    assert first.splitlines()[1] == "hostssl replication netdr_stream 127.0.0.1/32 scram-sha-256"
    rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = 'netdr_stream'"
    assert two.cluster.query(rights) == [["f", "f", "f", "t"]]
    password = (two.standby.layout.stream / "main" / "password").read_bytes().strip()
    known = [path for path in (two.root / "home").rglob("*") if path.is_file() and password in path.read_bytes()]
    assert known == []


def test_what_is_committed_now_is_there_now(two: Two) -> None:
    beat = canary.beat(two.cluster)
    facts = two.tend()
    assert facts["new_stretch"] == facts["new_base"] == ""
    proven = two.prove()
    assert proven["canary"] >= beat.seq
    assert proven["queries"] == {"some": True}
    assert proven["checked"] == ["cases"]
    assert proven["rpo_s"] < 30


def test_any_moment(two: Two) -> None:
    two.cluster.query("CREATE TABLE moment(id int)", "cases")
    two.cluster.query("INSERT INTO moment VALUES (1)", "cases")
    time.sleep(0.05)
    at = now()
    time.sleep(0.05)
    two.cluster.query("DROP TABLE moment", "cases")
    two.tend()
    with two.recovered(at) as back:
        assert back.cluster.query("SELECT id FROM moment", "cases") == [["1"]]
        assert back.committed is not None
        assert back.committed <= at
    with two.recovered() as back:
        assert back.cluster.query("SELECT to_regclass('moment') IS NULL", "cases") == [["t"]]
        assert back.committed > at


def test_nobody_but_the_pinned_server_and_the_right_password(two: Two) -> None:
    to = link.of_site(two.standby.layout, "main")
    asks = setup.wire(two.standby, to)
    assert asks.state().system == to.offer.system
    for path, wrong, words in (
        (link.certificate(to.folder), certificate.make(ADDRESS, now())[0], "does not show the pinned certificate"),
        (link.passfile(to.folder), "*:*:*:netdr_stream:wrong\n", "refused the password"),
    ):
        good = path.read_text()
        try:
            path.write_text(wrong)
            with pytest.raises(BackupError, match=words):
                asks.state()
        finally:
            path.write_text(good)
    # Another address than the certificate is for: verify-full looks at the name too.
    elsewhere = dataclasses.replace(to, offer=dataclasses.replace(to.offer, address="localhost"))
    with pytest.raises(BackupError, match="does not show the pinned certificate"):
        setup.wire(two.standby, elsewhere).state()
    # Neither in the clear, nor anything but replication.
    for conninfo in (to.conninfo.replace("verify-full", "disable"), f"{to.conninfo} dbname=cases"):
        psql = [*AS_POSTGRES, str(two.cluster.programs / "psql"), conninfo.replace("channel_binding=require ", "")]
        done = two.standby.shell.run([*psql, "-Xc", "SELECT 1"], limit=20)
        assert "no pg_hba.conf entry" in done.err


def test_a_source_that_would_fill_its_disk_is_refused(two: Two) -> None:
    def keep(value: str) -> None:
        two.cluster.query(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{value}'")
        two.cluster.query("SELECT pg_reload_conf()")
        wait_for(lambda: two.cluster.query("SHOW max_slot_wal_keep_size") == [[value]])

    good = two.cluster.query("SHOW max_slot_wal_keep_size")[0][0]
    assert good != "-1", "set-up has set it"
    try:
        keep("-1")
        with pytest.raises(BackupError, match="max_slot_wal_keep_size is unlimited"):
            two.tend()
    finally:
        keep(good)
    two.tend()


def test_systemd_accepts_the_units(two: Two, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    found = receiver.daemon(two.standby.shell, link.of_site(two.standby.layout, "main")), canary.daemon(two.home)
    paths = [tmp_path / f"{one.name}.service" for one in found]
    for one, path in zip(found, paths, strict=True):
        path.write_text(one.unit())
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, paths)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "netdr-" not in done.stderr, done.stderr


def test_what_takes_a_restart_is_told_and_nothing_is_changed(two: Two) -> None:
    source = origin.Source(two.cluster, "main", "srv-main", "192.0.2.7", ADDRESS, two.root / "other")
    before = two.cluster.query("SELECT name, setting FROM pg_settings ORDER BY 1")
    with pytest.raises(Problems) as caught:
        origin.prepare(source, Secret("SCRAM-SHA-256$x"), now())
    text = str(caught.value)
    assert "listen_addresses has to be changed, and that takes a restart: it does not listen at 192.0.2.7" in text
    assert "the certificate of the cluster cannot be pinned" in text
    assert two.cluster.query("SELECT name, setting FROM pg_settings ORDER BY 1") == before
    assert not (two.root / "other").exists()


def test_a_killed_receiver_is_started_again(two: Two) -> None:
    running = receiver.daemon(two.standby.shell, link.of_site(two.standby.layout, "main"))
    assert running.running()
    os.kill(int((running.folder / f"{running.name}.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not running.running())
    beat = canary.beat(two.cluster)
    assert two.tend()["started"]
    with two.recovered() as back:
        newest = canary.newest(back.cluster)
    assert newest is not None
    assert newest.seq >= beat.seq


def test_times_that_cannot_be_had(two: Two) -> None:
    oldest = two.archive.stretches()[0].bases()[0]
    for at, words in (
        (now() + timedelta(hours=1), "is in the future"),
        (oldest.begun - timedelta(seconds=1), "is before the oldest base backup"),
    ):
        with pytest.raises(BackupError, match=words), two.recovered(at):
            pass


def test_a_moment_at_which_the_base_backup_was_not_complete(two: Two) -> None:
    stretch = two.archive.stretches()[-1]
    good = stretch.bases()[0]
    at = good.begun - timedelta(seconds=1)
    stretch.keep(dataclasses.replace(good, begun=at))
    try:
        with pytest.raises(BackupError, match="is before the oldest base backup was complete"), two.recovered(at):
            pass
    finally:
        stretch.keep(good)


def test_the_main_site_dies_under_load(two: Two) -> None:
    stop = threading.Event()
    beats: list[canary.Beat] = []

    def write() -> None:
        while not stop.is_set():
            with suppress(BackupError):
                beats.append(canary.beat(two.cluster))

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(1)
    died = now()
    two.pg_ctl("stop", "-m", "immediate")
    stop.set()
    writer.join()
    try:
        with pytest.raises(UnreachableError, match="the home cluster does not answer"):
            two.tend()
        with two.recovered() as back:
            newest = canary.newest(back.cluster)
        assert newest is not None
        assert (died - newest.at).total_seconds() < 1
        assert max(beat.seq for beat in beats) - newest.seq <= 1
        with pytest.raises(BackupError, match="the log received ends before") as caught, two.recovered(now()):
            pass
        assert f"{newest.at:%Y-%m-%d %H:%M}" in caught.value.why
    finally:
        two.pg_ctl("start")
    assert tend.run(two.home, two.home.book.duties["cases"], quiet())["started"]
    wait_for(lambda: two.tend()["behind"] is not None)


def test_a_home_cluster_that_was_promoted_goes_on_in_the_same_stretch(two: Two) -> None:
    before = two.tend()
    two.cluster.query("UPDATE item SET name = 'first life' WHERE id = 2", "cases")
    time.sleep(0.05)
    at = now()
    two.pg_ctl("stop", "-m", "fast")
    (two.root / "pg" / "d" / "standby.signal").touch()
    two.pg_ctl("start")
    assert two.cluster.query("SELECT pg_promote()") == [["t"]]
    canary.ensure(two.home)
    two.cluster.query("UPDATE item SET name = 'second life' WHERE id = 2", "cases")
    after = two.tend()
    assert int(str(after["timeline"])) == int(str(before["timeline"])) + 1
    assert after["stretch"] == before["stretch"]
    for moment, name in ((at, "first life"), (None, "second life")):
        with two.recovered(moment) as back:
            assert back.cluster.query("SELECT name FROM item WHERE id = 2", "cases") == [[name]]


def test_lost_log_begins_a_new_stretch_and_the_old_one_stays_good(two: Two) -> None:
    two.cluster.query("UPDATE item SET name = 'before' WHERE id = 1", "cases")
    two.tend()
    time.sleep(0.05)
    at = now()
    canary.beat(two.cluster)
    two.tend()
    running = receiver.daemon(two.standby.shell, link.of_site(two.standby.layout, "main"))
    good = two.cluster.query("SHOW max_slot_wal_keep_size")[0][0]
    running.stop(two.standby.shell)
    try:
        two.cluster.query("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        for _ in range(4):
            two.cluster.query("SELECT pg_reload_conf(); SELECT pg_switch_wal(); CHECKPOINT")
            canary.beat(two.cluster)
        two.cluster.query("CHECKPOINT")
    finally:
        two.cluster.query(f"ALTER SYSTEM SET max_slot_wal_keep_size = '{good}'")
        two.cluster.query("SELECT pg_reload_conf()")
    two.cluster.query("UPDATE item SET name = 'after' WHERE id = 1", "cases")
    facts = two.tend()
    assert facts["new_stretch"] == "the source threw away log that had not been received"
    assert facts["new_base"] == "there is none"
    assert two.tend()["new_stretch"] == ""
    for moment, name in ((at, "before"), (None, "after")):
        with two.recovered(moment) as back:
            assert back.cluster.query("SELECT name FROM item WHERE id = 1", "cases") == [[name]]


def test_missing_log_is_named(two: Two) -> None:
    stretch = two.archive.stretches()[-1]
    for _ in range(3):
        canary.beat(two.cluster)
        two.cluster.query("SELECT pg_switch_wal()")
    two.tend()
    victim = stretch.wal / [one for one in stretch.segments() if one.whole][-2].name(stretch.segment)
    aside = two.root / victim.name
    victim.rename(aside)
    try:
        with pytest.raises(BackupError, match="log is missing after the base backup") as caught:
            two.prove()
        assert caught.value.why == victim.name
    finally:
        shutil.move(aside, victim)
    two.prove()


def test_a_flipped_byte_of_a_base_backup_is_named(two: Two) -> None:
    stretch = two.archive.stretches()[-1]
    oid = two.cluster.query("SELECT pg_relation_filepath('pg_class')", "cases")[0][0]
    path = stretch.base(stretch.bases()[-1].id) / oid
    good = path.read_bytes()
    try:
        path.write_bytes(good[:9000] + bytes([good[9000] ^ 1]) + good[9001:])
        with pytest.raises(ProofError, match="a base backup is damaged") as caught:
            two.prove()
        assert oid in caught.value.why
    finally:
        path.write_bytes(good)
    two.prove()


def test_what_is_not_true_is_red(two: Two) -> None:
    data = Postgres(kind="postgresql", database="cases", queries={"many": "SELECT count(*) > 100 FROM item"})
    duty = dataclasses.replace(two.duty, asset=CASES.model_copy(update={"data": (data,)}))
    with pytest.raises(Problems, match="the query 'many' is not true"):
        proof.run(two.standby, duty, quiet())


def test_a_moment_is_put_in_place(two: Two) -> None:
    two.cluster.query("CREATE ROLE clerk; GRANT SELECT ON item TO clerk", "cases")
    two.tend()
    time.sleep(0.05)
    at = now()
    time.sleep(0.05)
    two.cluster.query("DELETE FROM item", "cases")
    two.tend()
    # One cluster plays both hosts'.
    facts = place.run(two.standby, two.duty, quiet(), at=at)
    assert facts["as_of"] == at.isoformat()
    assert two.cluster.query("SELECT count(*) FROM item", "cases") == [["3"]]
    assert two.cluster.query("SELECT count(*) FROM item", "cases_before_restore") == [["0"]]
    assert two.cluster.query("SELECT has_table_privilege('clerk', 'item', 'SELECT')", "cases") == [["t"]]
    two.tend()
    newest = place.run(two.standby, two.duty, quiet(), at="newest")
    assert newest["as_of"] == newest["committed"] > facts["as_of"]
    # The stream goes on over the restore, and knows both states.
    with two.recovered() as back:
        assert back.cluster.query("SELECT count(*) FROM item", "cases") == [["3"]]


def test_what_the_dr_host_lacks_is_said_before_anything_is_touched(two: Two) -> None:
    two.cluster.query("SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS pgcrypto", "cases")
    roles = two.cluster.roles("cases")
    assert postgres.needs(roles).extensions == {"pgcrypto": "1.3"}
    with pytest.raises(Problems) as caught:
        two.cluster.require(roles.replace("pgcrypto 1.3", "postgis 3.4").replace("-- server 1", "-- server 9"))
    text = str(caught.value)
    assert "the extension 'postgis' 3.4 is not installed" in text
    assert "cannot take what 95 has saved" in text
    two.cluster.require("CREATE ROLE clerk;\n")


def test_only_what_nobody_needs_is_removed(two: Two) -> None:
    stretch = two.archive.stretches()[-1]
    asks = setup.wire(two.standby, link.of_site(two.standby.layout, "main"))
    for _ in range(2):
        two.cluster.query("SELECT pg_switch_wal()")
        canary.beat(two.cluster)
        two.tend()
        base.take(two.standby, asks, stretch, lambda _line: None)
    bases = stretch.bases()
    two.standby.ledger("cases").add("base", now(), {"base": bases[-2].id, "result": "passed"})
    protection = PROTECTION.model_copy(update={"retention": Retention(last=1)})
    duty = dataclasses.replace(two.duty, protection=protection)
    machine = dataclasses.replace(two.standby, book=dataclasses.replace(two.standby.book, duties={"cases": duty}))
    oldest = wal.Segment(bases[-2].timeline, bases[-2].start // stretch.segment).name(stretch.segment)
    dry = [str(two.cluster.programs / "pg_archivecleanup"), "-n", str(stretch.wal), oldest]
    expected = set(subprocess.check_output(dry, text=True, timeout=30).split())
    facts = retention.prune(machine, duty, quiet())
    assert facts["kept"] == {bases[-2].id: "the newest proven", bases[-1].id: "number 1 of last 1"}
    removed = set(facts["removed"])
    assert {str(stretch.wal / name) for name in removed} >= expected
    assert {one.id for one in bases[:-2]} <= removed
    assert [one.id for one in stretch.bases()] == [bases[-2].id, bases[-1].id]
    assert len(two.archive.stretches()) == 1, "the stretch before it went with its last base backup"
    two.prove()


def test_the_standing_is_told_without_the_home_site(two: Two) -> None:
    two.tend()
    two.prove()
    found = standing.of(two.standby, two.duty)
    assert found is not None
    assert standing.judge(two.duty, found, "here") == ()
    assert found.received is not None
    assert found.received < 30
    running = receiver.daemon(two.standby.shell, link.of_site(two.standby.layout, "main"))
    running.stop(two.standby.shell)
    found = standing.of(two.standby, two.duty)
    assert found is not None
    assert [problem.what for problem in standing.judge(two.duty, found, "here")] == [
        "nothing receives the stream of cases"
    ]
    two.tend()
    assert standing.of(two.home, two.home.book.duties["cases"]) is None


def test_a_moment_travels_home(two: Two) -> None:
    if not all(map(shutil.which, ("restic", "rclone"))):
        pytest.skip("needs restic and rclone")
    # An address of its own, so that test runs side by side do not meet.
    address = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}.2"
    there, home = (
        dataclasses.replace(machine, book=dataclasses.replace(machine.book, server=address))
        for machine in (two.standby, two.home)
    )
    listener = repositories.listener(there.layout, address)
    repositories.prepare(there.book, there.layout, now())
    with (two.root / "server.log").open("w") as log:
        running = subprocess.Popen(server.argv(listener), stdout=log, stderr=log, cwd="/")
    try:
        wait_for(lambda: server.listens(listener))
        access = repositories.standby(there.book, there.layout, now(), quiet())
        repositories.home(home.book, home.layout, repositories.Access.of(access.reveal()))
        duty = home.book.duties["cases"]
        repositories.repositories(home.book, home.layout, duty, home.shell, quiet())
        two.cluster.query("CREATE TABLE travel AS SELECT 1 AS id", "cases")
        time.sleep(0.05)
        at = now()
        time.sleep(0.05)
        two.cluster.query("DROP TABLE travel", "cases")
        two.tend()
        facts = extract.save(there, two.duty, quiet(), at)
        assert facts["as_of"] == at.isoformat()
        place.run(home, duty, quiet(), wanted=str(facts["snapshot"]))
        assert two.cluster.query("SELECT id FROM travel", "cases") == [["1"]]
        with pytest.raises(UsageError, match="which moment"):
            extract.save(there, two.duty, quiet(), None)
    finally:
        running.terminate()
        running.wait(20)
