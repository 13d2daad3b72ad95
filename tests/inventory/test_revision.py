"""The name of an inventory's state, by what git itself says of a repository made here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from inventory import load
from inventory.revision import restore, revision

LINWU = Path(__file__).parents[1] / "districts" / "linwu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(LINWU, tmp_path / "repository/linwu", ignore=shutil.ignore_patterns(".netdr"))
    return tmp_path / "repository/linwu"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.invalid", "-c", "commit.gpgsign=false"]
    argv = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "state")
    return git(folder, "rev-parse", "HEAD")


def test_outside_git_it_is_the_hash_of_the_files(folder: Path) -> None:
    first = revision(folder)
    assert first.startswith("files:")
    assert len(first) == len("files:") + 64
    (folder / "notes.txt").write_text("not a file of the district")
    assert revision(folder) == first
    (folder / "units.yaml").write_text((folder / "units.yaml").read_text() + "# a remark\n")
    assert revision(folder) != first


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_in_git_it_is_the_commit_of_its_files(folder: Path) -> None:
    bare = revision(folder).removeprefix("files:")
    git(folder.parent, "init", "-q")
    first = commit(folder)
    assert revision(folder) == first
    # What is not the district's does not change its name, committed or not.
    (folder / ".netdr").mkdir()
    (folder / ".netdr/journal").write_text("x")
    (folder.parent / "README").write_text("x")
    assert revision(folder) == first
    assert commit(folder.parent) != first
    assert revision(folder) == first
    (folder / "units.yaml").write_text((folder / "units.yaml").read_text() + "# a remark\n")
    name, _, rest = revision(folder).partition("+dirty:")
    assert (name, len(rest)) == (first, 64)
    assert rest != bare
    second = commit(folder)
    assert revision(folder) == second != first


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_file_that_is_gone_or_was_never_committed_counts(folder: Path) -> None:
    git(folder.parent, "init", "-q")
    first = commit(folder)
    record = (folder / "addresses.yaml").read_text()
    (folder / "addresses.yaml").unlink()
    assert revision(folder).startswith(f"{first}+dirty:")
    second = commit(folder)
    (folder / "addresses.yaml").write_text(record)
    assert revision(folder).startswith(f"{second}+dirty:")


def test_nothing_that_can_be_read_has_no_name(tmp_path: Path) -> None:
    assert revision(tmp_path / "nowhere") == revision(tmp_path) == ""


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_committed_state_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    git(folder.parent, "init", "-q")
    first = commit(folder)
    before = load.network(folder)
    units = folder / "units.yaml"
    units.write_text(units.read_text().replace("uplinks: [hub, ring-n]", "uplinks: [ring-s, ring-n]", 1))
    commit(folder)
    into = tmp_path / "before"
    into.mkdir()
    assert restore(folder, first, into)
    assert load.network(into).district == before.district
    for unknown in ("0" * 40, f"{first}+dirty:{'1' * 64}", "files:" + "1" * 64, ""):
        assert not restore(folder, unknown, into)
