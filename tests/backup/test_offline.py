"""The copy that people carry away."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup import offline
from backup.ledger import last
from backup.machine import Machine
from backup.report import JobReport, perform
from backup.testing import Pair

pytestmark = pytest.mark.tools


@pytest.fixture
def disk(saved: Pair) -> Iterator[Path]:
    """Another file system than that of the repositories: memory."""
    memory = Path("/dev/shm")  # noqa: S108 - only as another file system
    if not memory.is_dir() or memory.stat().st_dev == saved.standby.layout.repositories.stat().st_dev:
        pytest.skip("needs /dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="netdr-disk-", dir=memory))
    yield folder
    shutil.rmtree(folder)


def carried(machine: Machine, name: str, to: Path) -> JobReport:
    duty = machine.book.duties[name]
    return perform(
        "copy", name, machine.book.host, lambda _: None, lambda steps: offline.run(machine, duty, steps, str(to))
    )


def test_what_is_carried_away_opens_without_anything_else(broken: Machine, disk: Path, tmp_path: Path) -> None:
    report = carried(broken, "portal", disk)
    assert report.ok, [problem.report() for problem in report.problems]
    # restic itself, with the password of the DR repository and nothing else of that host.
    password = broken.layout.disk("portal").password
    argv = ["restic", "--repo", str(disk / "portal"), "--password-file", str(password), "--no-cache"]
    listed = json.loads(subprocess.check_output([*argv, "snapshots", "--json"], text=True, timeout=60))
    assert len(listed) == report.facts["present"] == report.facts["copied"]
    subprocess.run([*argv, "restore", "latest", "--target", tmp_path], check=True, capture_output=True, timeout=60)
    assert [path.read_text() for path in tmp_path.rglob("index.html")] == ["<h1>苏仙</h1>"]
    noted = last(broken.ledger("portal").lines(), "offline")
    assert noted is not None
    assert noted.facts["folder"] == str(disk)
    again = carried(broken, "portal", disk)
    assert (again.ok, again.facts["copied"]) == (True, 0)


def test_a_disk_that_is_not_mounted_is_noticed(broken: Machine, saved: Pair, tmp_path: Path) -> None:
    nowhere = carried(broken, "portal", tmp_path / "nowhere")
    assert "there is no such directory" in nowhere.problems[0].report()
    same = carried(broken, "portal", broken.layout.repositories)
    assert "no other disk is mounted there" in same.problems[0].report()
    home = carried(saved.home, "portal", tmp_path)
    assert "the copy of portal is not on this host" in home.problems[0].report()
