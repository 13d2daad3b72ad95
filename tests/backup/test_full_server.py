"""The DR server's disk is full: what the copy says, and that it goes on when there is space again."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from backup import copy, server
from backup.machine import Machine
from backup.report import perform
from backup.repository import write_private
from backup.server import Listener
from backup.testing import Pair

pytestmark = pytest.mark.tools


@pytest.fixture
def kind() -> str:
    return server.RCLONE


@pytest.fixture
def full(saved: Pair, kind: str) -> Iterator[tuple[Machine, Listener]]:
    """The home host with another DR server, whose disk has less than 2 MB left."""
    if shutil.which(kind) is None:
        pytest.skip(f"needs {kind}")
    top = Path(tempfile.mkdtemp(prefix="nb-", dir=saved.root))
    top.chmod(0o711)
    disk = top / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", disk], check=True, timeout=30)
    shutil.copytree(saved.standby.layout.repositories / "portal", disk / "portal")
    # How much is in the repository depends on which tests came before.
    space = os.statvfs(disk)
    size = (space.f_blocks - space.f_bfree) * space.f_frsize + 2_000_000
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True, timeout=30)
    for path in (disk, *disk.rglob("*")):
        shutil.chown(path, server.ACCOUNT, server.ACCOUNT)
    place = Listener(saved.home.book.server, 8001, saved.standby.layout.server, disk)
    with (top / "log").open("w") as log:
        running = subprocess.Popen(
            server.argv(place, kind), stdout=log, stderr=log, cwd="/", env={"PATH": os.environ["PATH"]}
        )
    layout = dataclasses.replace(saved.home.layout, credentials=top / "credentials")
    shutil.copytree(saved.home.layout.credentials, layout.credentials)
    location = layout.credentials / "portal" / "standby.repository"
    write_private(location, location.read_text().replace(":8000/", ":8001/"))
    end = time.monotonic() + 20
    while not server.listens(place):
        assert time.monotonic() < end, (top / "log").read_text()
        time.sleep(0.05)
    yield dataclasses.replace(saved.home, layout=layout), place
    running.terminate()
    running.wait(20)
    subprocess.run(["umount", disk], check=True, timeout=30)


def all_to_the_real_server(saved: Pair) -> None:
    """Send again what the ledger, which both servers share here, believes to have arrived: it did, at the small one."""
    duty = saved.home.book.duties["portal"]
    act = partial(copy.run, saved.home, duty, again=True)
    report = perform("copy", "portal", saved.home.book.host, lambda _: None, act)
    assert report.ok, [problem.report() for problem in report.problems]
    saved.good(saved.home, "run", "portal")


def test_a_full_server_is_named_and_made_good(saved: Pair, full: tuple[Machine, Listener]) -> None:
    home, place = full
    (saved.pages / "big").write_bytes(os.urandom(6_000_000))
    try:
        report = saved.do(home, "run", "portal")
        assert "the backup server could not store a file" in report.problems[0].report()
        assert "netdr backup init" in report.problems[0].hint
        subprocess.run(["mount", "-o", "remount,size=512m", place.repositories], check=True, timeout=30)
        empty = {path for path in place.repositories.rglob("*") if path.is_file() and not path.stat().st_size}
        assert empty, "what rclone leaves, and refuses to overwrite"
        assert server.sweep(place) == (), "it may be on its way"
        for path in empty:
            os.utime(path, (1, 1))
        assert set(server.sweep(place)) == empty
        # What it made at home is copied now; other tests' copies at the real server do not count here.
        report = saved.do(home, "copy", "portal")
        assert report.ok, [problem.report() for problem in report.problems]
    finally:
        (saved.pages / "big").unlink()
    all_to_the_real_server(saved)


@pytest.mark.parametrize("kind", [server.REST_SERVERS[0]])
def test_a_full_rest_server_leaves_nothing_half_written(saved: Pair, full: tuple[Machine, Listener]) -> None:
    home, place = full
    before = {path for path in place.repositories.rglob("*") if path.is_file()}
    (saved.pages / "big").write_bytes(os.urandom(6_000_000))
    try:
        report = saved.do(home, "run", "portal")
        assert "there is no space left for the repository" in report.problems[0].report()
        left = {path for path in place.repositories.rglob("*") if path.is_file()} - before
        assert not [path for path in left if not path.stat().st_size or "temp" in path.name]
        subprocess.run(["mount", "-o", "remount,size=512m", place.repositories], check=True, timeout=30)
        report = saved.do(home, "copy", "portal")
        assert report.ok, [problem.report() for problem in report.problems]
    finally:
        (saved.pages / "big").unlink()
    all_to_the_real_server(saved)
