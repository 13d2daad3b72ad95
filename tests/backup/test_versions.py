"""The same with Debian's restic of this release and with the newest one: save, copy, come back, fail, heal."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import newer
import pytest

from backup import manifest
from backup.host import LocalShell
from backup.repository import write_private
from backup.restic import OLDEST, Reason, Repository, Restic, ResticError, Shown, Way, objects
from backup.restic.jobs import Jobs
from backup.restic.progress import Meter
from backup.testing import Pair
from backup.view import View

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module", params=["installed", "newest"])
def program(request: pytest.FixtureRequest) -> str:
    if request.param == "installed":
        return "restic"
    try:
        return str(newer.restic())
    except newer.UnreachableError as error:
        pytest.skip(f"the newest restic cannot be had here: {error}")


@pytest.fixture
def both(pair: Pair, program: str) -> Pair:
    """The pair with one of the versions of restic."""
    home, standby = (dataclasses.replace(one, program=program) for one in (pair.home, pair.standby))
    return dataclasses.replace(pair, home=home, standby=standby)


@pytest.fixture(scope="module")
def scratch(program: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Restic, Repository]:
    """A repository of its own."""
    top = tmp_path_factory.mktemp("scratch")
    write_private(top / "location", f"{top}/repository\n")
    write_private(top / "password", "not-a-secret\n")
    repository = Repository("scratch", top / "location", top / "password")
    restic = Restic(LocalShell("srv"), top / "cache", program, Jobs(top / "jobs"))
    restic.init(repository)
    return restic, repository


def reason(restic: Restic, repository: Repository) -> Reason:
    with pytest.raises(ResticError) as caught:
        restic.snapshots(repository)
    return caught.value.reason


def test_the_version_is_known(scratch: tuple[Restic, Repository]) -> None:
    assert scratch[0].version >= OLDEST


def test_the_circle(both: Pair) -> None:
    os.mkfifo(both.pages / "pipe")
    (both.pages / "name with $HOME, * and ö").write_text("x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(both.pages / "socket"))
        try:
            first = both.good(both.home, "run", "portal")
            assert set(first.facts["left_out"]) == {str(both.pages / "pipe"), str(both.pages / "socket")}
        finally:
            (both.pages / "pipe").unlink()
            (both.pages / "socket").unlink()
    before = both.good(both.home, "run", "portal")
    again = both.good(both.home, "run", "portal")
    assert (again.facts["copied"], again.facts["gone"], again.facts["moved"]) == (1, before.facts["gone"], 0)
    # Only the manifest and the ledger are new in a run when nothing has changed.
    assert again.facts["changed"] == 2
    both.good(both.standby, "verify", "portal")


def test_files_that_move_while_they_are_read_come_back_as_the_manifest_says(both: Pair) -> None:
    stop = threading.Event()
    before = {one.id for one in both.home.restic.snapshots(both.home.layout.home("portal"))}

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (both.pages / "news" / "counter").write_text(f"{number}\n" * 500)
            (both.pages / f"moving-{number % 7}").write_text("x" * number)
            (both.pages / f"moving-{(number + 3) % 7}").unlink(missing_ok=True)
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        report = both.good(both.home, "run", "portal")
    finally:
        stop.set()
        writer.join()
    assert report.facts["moved"] >= 1, "something moved, and was noticed"
    both.good(both.standby, "verify", "portal")
    found = {one.id for one in both.home.restic.snapshots(both.home.layout.home("portal"))}
    assert found - before == {report.facts["snapshot"]}, "what did not fit its manifest is taken out again"


def test_a_folder_shown_to_restic_is_not_there_for_others_and_cannot_be_written(both: Pair, tmp_path: Path) -> None:
    (tmp_path / "top" / "files").mkdir(parents=True)
    view = View(tmp_path / "top", {"files": both.pages}, tmp_path / "spare")
    prefix = view.prefix(tmp_path / "order")
    shell = LocalShell("srv")
    listed = shell.run([*prefix, "ls", "files"], limit=20, cwd=view.top)
    assert "index.html" in listed.out
    assert shell.run([*prefix, "touch", "files/new"], limit=20, cwd=view.top).code != 0
    assert list((view.top / "files").iterdir()) == []
    assert not (both.pages / "new").exists()


def test_reasons(scratch: tuple[Restic, Repository], tmp_path: Path) -> None:
    restic, repository = scratch
    write_private(tmp_path / "wrong", "wrong\n")
    assert reason(restic, dataclasses.replace(repository, password=tmp_path / "wrong")) is Reason.WRONG_PASSWORD
    write_private(tmp_path / "none", f"{tmp_path}/nowhere\n")
    assert reason(restic, dataclasses.replace(repository, location=tmp_path / "none")) is Reason.NO_REPOSITORY
    with pytest.raises(ResticError) as caught:
        restic.backup(repository, Shown(tmp_path, ("false",)), tags=[], limit=60)
    assert caught.value.reason is Reason.UNKNOWN, "an exit code nobody knows is a failure"
    with pytest.raises(ResticError) as caught:
        restic.restore(repository, "feedface", tmp_path / "into", limit=60)
    assert caught.value.reason is Reason.NO_SNAPSHOT


def test_a_restore_and_a_copy_tell_how_far_they_are(scratch: tuple[Restic, Repository], tmp_path: Path) -> None:
    restic, repository = scratch
    data = tmp_path / "data"
    data.mkdir()
    (data / "big").write_bytes(os.urandom(20_000_000))
    made = restic.backup(repository, Shown(data), tags=[], limit=120)
    assert (made.files, made.changed) == (1, 1)
    assert made.added >= 20_000_000
    said: list[str] = []
    restic.restore(repository, made.id, tmp_path / "back", limit=120, tell=said.append)
    assert manifest.scan(tmp_path / "back") == manifest.scan(data)
    write_private(tmp_path / "far", f"{tmp_path}/far-repository\n")
    far = Repository("far", tmp_path / "far", repository.password)
    restic.init(far, like=repository)
    (source,) = [one.id for one in restic.snapshots(repository) if one.id.startswith(made.id)]
    copied = restic.copy(repository, far, [source], Way(120, meter=Meter(said.append)))
    ((old, new),) = copied.items()
    assert source.startswith(old)
    assert [name for name in objects.names(far, "snapshots") if name.startswith(new)]
    # 0.14 leaves the copy's number out when it was there already; nothing is copied twice.
    assert restic.copy(repository, far, [source], Way(120)) == {}
    assert len(objects.names(far, "snapshots")) == 1


def test_check_forget_and_repair(scratch: tuple[Restic, Repository], tmp_path: Path) -> None:
    restic, repository = scratch
    (tmp_path / "small").write_text("x")
    made = restic.backup(repository, Shown(tmp_path), tags=["a:b"], limit=120)
    restic.check(repository, subset="1/1", limit=120)
    restic.forget(repository, [made.id], limit=120)
    assert not [one for one in restic.snapshots(repository) if one.id.startswith(made.id)]
    restic.repair_index(repository, limit=120)
    restic.check(repository, limit=120)
    with pytest.raises(ValueError, match="without ids"):
        restic.forget(repository, [], limit=120)


def test_no_secret_is_in_the_command_line_or_environment_of_a_living_child(both: Pair) -> None:
    folder = both.home.layout.credentials
    hidden = {path.read_text().strip() for path in folder.glob("*/*.password")}
    hidden.add((folder / "portal" / "standby.repository").read_text().split("portal:")[1].split("@")[0])
    seen: dict[str, str] = {}
    run = threading.Thread(target=lambda: both.do(both.home, "run", "portal"))
    run.start()
    while run.is_alive():
        for path in (both.home.layout.state / "jobs").glob("*.json"):
            try:
                pid = json.loads(path.read_text())["process"]["pid"]
                shown = "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))
            except (OSError, ValueError):
                continue
            seen[path.name.partition("-")[0]] = seen.get(path.name.partition("-")[0], "") + shown
        time.sleep(0.01)
    run.join()
    assert {"backup", "copy"} <= seen.keys()
    assert not [one for one in hidden if one in "".join(seen.values())]


@pytest.fixture(autouse=True)
def _tidy(pair: Pair) -> Iterator[None]:
    yield
    for path in pair.pages.glob("moving-*"):
        path.unlink()
