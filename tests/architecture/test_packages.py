"""What is installed: every package locked by hash, and nobody's address in the repository."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Hosts that packages come from: which one is used is the machine's business.
REGISTRIES = ("pypi" + ".org", "python" + "hosted", "deb.debian" + ".org", "archive.ubuntu" + ".com", "index" + "-url=")


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found[0].lower().replace("_", "-")


def test_the_lock_names_versions_and_hashes_only() -> None:
    kinds = re.compile(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+( ; [^\\]+)? \\|--hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines("requirements.lock") if not kinds.fullmatch(line)] == []
    assert "http" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_everything_asked_for_is_locked() -> None:
    locked = {name_of(line) for line in lines("requirements.lock") if "==" in line}
    assert {name_of(line) for line in lines("requirements.in")} <= locked


def test_what_is_declared_is_asked_for_in_the_same_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = set(project["project"]["dependencies"])
    assert declared <= set(lines("requirements.in"))
    groups = [line for group in project["dependency-groups"].values() for line in group]
    wanted = [*declared, *groups, *project["build-system"]["requires"]]
    # Both only serve the set-up and the bench: the editable install, and the peer to compare with.
    assert {name_of(line) for line in lines("requirements.in")} - set(map(name_of, wanted)) == {
        "editables",
        "nornir-napalm",
    }


def test_no_tracked_file_names_a_package_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    argv = ["git", "-C", str(ROOT), "ls-files", "-z"]
    tracked = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.split("\0")
    texts = {name: (ROOT / name).read_bytes() for name in tracked if name and (ROOT / name).is_file()}
    found = [(name, host) for name, text in texts.items() for host in REGISTRIES if host.encode() in text]
    assert found == []
