"""A plan says which single points of failure it adds; the inventory that was last deployed comes from git."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from inventory import load
from netdr.cli.context import Context
from netdr.cli.newrisk import notes
from nornir_tasks import testing

LINWU = Path(__file__).parents[2] / "districts" / "linwu"
# The cave's second line: without it, the cave hangs on ring-n alone once the hall is lost.
LINE = "  - {ends: [cave-gw, ring-l], ports: {cave-gw: swp8}}\n"


def commit(folder: Path) -> str:
    def git(*arguments: str) -> str:
        argv = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.invalid", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("-c", "commit.gpgsign=false", "commit", "-q", "-m", "state")
    return git("rev-parse", "HEAD")


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_line_taken_out_since_the_last_deploy_is_a_note_in_the_plan(tmp_path: Path) -> None:
    folder = tmp_path / "linwu"
    shutil.copytree(LINWU, folder, ignore=shutil.ignore_patterns(".netdr"))
    first = commit(folder)
    devices = folder / "devices.yaml"
    assert LINE in devices.read_text(encoding="utf-8")
    devices.write_text(devices.read_text(encoding="utf-8").replace(LINE, ""), encoding="utf-8")

    found = notes(Context(folder, tmp_path / "state", "en"), first, "files:now")
    assert "it adds a single point of failure: link cave-gw--ring-n: 8 units lose registry, notices if" in found[0]
    assert any("mend: one more line: " in note for note in found)

    assert notes(Context(folder, tmp_path / "state", "en"), first, first) == ()
    assert notes(Context(folder, tmp_path / "state", "en"), "files:never committed", "files:now") == ()


def test_the_revision_last_deployed_is_that_of_the_last_plan_carried_out(tmp_path: Path) -> None:
    with testing.rig(load.network(LINWU), tmp_path) as rig:
        assert rig.engine.deployed() == ""
        first = replace(rig.engine, revision="first")
        assert rig.deploy(first.plan_change()).result == "done"
        assert rig.engine.deployed() == "first"
        # A move of services is carried out by the same engine and names no revision.
        rig.devices["hub"].running += "drift\n"
        assert rig.deploy().result == "done"
        assert rig.engine.deployed() == "first"
