"""netdr on a bare host: nothing is left but the DR site's repository folder, the bundle, and two of three people."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup import manifest, sources
from backup.duty import Book, Duty
from backup.escrow import keep
from backup.escrow.keep import Keeper
from backup.host import LocalShell
from backup.machine import Machine
from backup.manifest import Manifest
from backup.postgres import Cluster
from backup.repository import Layout, keep_secret, write_private
from backup.restic import Restic
from inventory import load, secrets
from inventory.asset import Asset, NetdrState, Protection, Vault
from inventory.entry import Name

pytestmark = pytest.mark.tools

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LINWU = Path(__file__).parents[1] / "districts" / "linwu"
NETDR = str(Path(sys.executable).with_name("netdr"))
ITSELF = "import netdr, sys; print(netdr.__file__, file=sys.stderr); from netdr.cli import main; main()"
DATA = (NetdrState(kind="netdr"), Vault(kind="vault"))


def no_cluster() -> Cluster:
    raise AssertionError


@dataclass(frozen=True)
class Ruin:
    """What is left, and below it an empty place for what comes back."""

    top: Path

    def recover(self, *shares: int, into: str = "back", more: tuple[str, ...] = ()) -> tuple[int, dict[str, Any], str]:
        named = [word for one in shares for word in ("--share", str(self.top / f"share-{one}-of-3.txt"))]
        where = ["--bundle", str(self.top / "escrow.json"), "--repository", str(self.top / "netdr")]
        argv = [NETDR, "backup", "escrow", "recover", *named, *where, "--into", str(self.top / into), "--json", *more]
        # No inventory and no state are named, and there is none in this folder.
        clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, cwd=self.top, env=clean)
        return done.returncode, json.loads(done.stdout)["reports"][0] if done.stdout else {}, done.stdout + done.stderr


@pytest.fixture(scope="module")
def ruin() -> Iterator[Ruin]:
    if shutil.which("restic") is None:
        pytest.skip("needs restic")
    with tempfile.TemporaryDirectory(prefix="nb-") as name:
        top, district = Path(name), Path(name) / "district"
        shutil.copytree(LINWU, district / "inventory")
        secrets.create(district / "state", secrets.references(load.district(LINWU)))
        asset = Asset(
            id="netdr", name=Name(zh="代码", en="Code"), home="hall", standby="cave", protection="p", on="controller",
            data=DATA,
        )  # fmt: skip
        layout = Layout.under(top / "standby")
        duties = {"netdr": Duty(asset, "standby", Protection.model_construct(id="p"))}
        book = Book("srv-cave", "services", "10.0.0.1", duties)
        repository = layout.repositories / "netdr"
        keep_secret(layout.disk("netdr").password)
        write_private(layout.disk("netdr").location, f"{repository}\n")
        restic = Restic(LocalShell("srv-cave"), None)
        repository.parent.mkdir(parents=True)
        restic.init(layout.disk("netdr"))
        save(district, top / "stage", layout)
        keeper = Keeper.host(layout)
        made = keep.split(top / "shares", 2, 3, NOON)
        keep.close(Keeper.controller(district / "state"), made, of_vault(district), NOON)
        given = Keeper.controller(district / "state").read()
        keep.close(keeper, given, keep.of_host(book, layout), NOON)
        left = top / "left"
        left.mkdir()
        for one in (repository, keeper.bundle, *(top / "shares").iterdir()):
            one.rename(left / one.name)
        for lost in (district, top / "stage", top / "standby"):
            shutil.rmtree(lost)
        yield Ruin(left)


def of_vault(district: Path) -> dict[str, Any]:
    return dict(keep.of_controller(district / "state" / secrets.PASSWORD))


def save(district: Path, stage: Path, layout: Layout) -> None:
    """Save netdr's own state twice, the second time as one that claims to be of next year, with an empty inventory."""
    book = Book("ctl-hall", "controller", "10.0.0.1", {}, str(district / "inventory"), str(district / "state"))
    machine = Machine(book, layout, LocalShell("ctl-hall"), no_cluster, lambda: NOON)
    stage.mkdir()
    for one in DATA:
        sources.KINDS[one.kind].stage(one, stage, machine, 60)
    for claimed in (datetime.now(UTC) - timedelta(minutes=1), datetime.now(UTC) + timedelta(days=365)):
        made = Manifest("netdr", "ctl-hall", claimed, manifest.scan(stage), {})
        (stage / manifest.NAME).write_text(made.dump())
        tags = f"--tag=service:netdr,manifest:{made.root},as-of:{claimed.isoformat()}"
        disk = layout.disk("netdr")
        opened = ["--repository-file", str(disk.location), "--password-file", str(disk.password), "--no-cache"]
        subprocess.run(["restic", "backup", "-q", tags, ".", *opened], check=True, timeout=120, cwd=stage)
        shutil.rmtree(stage / "netdr" / "inventory", ignore_errors=True)


def test_netdr_is_rebuilt_by_two_of_three(ruin: Ruin) -> None:
    code, report, words = ruin.recover(1, 3)
    assert code == 0, words
    facts = report["facts"]
    assert facts["opened"] == ["srv-cave/netdr/standby", "vault"]
    program = Path(facts["restored"]) / "netdr" / "program"
    # The restored program reads the restored inventory and opens the restored vault.
    shown = subprocess.run(
        [sys.executable, "-c", ITSELF,
         "-i", facts["inventory"], "--state", facts["state"], "secrets", "check", "--json"],
        capture_output=True, text=True, check=True, timeout=60, cwd=ruin.top,
        env={"PYTHONPATH": str(program), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert shown.stderr.strip() == str(program / "netdr" / "__init__.py")
    assert json.loads(shown.stdout)["secrets"] == sorted(one.name for one in secrets.references(load.district(LINWU)))
    # What opens things is for root alone, and is nowhere in what was printed.
    opened = list((ruin.top / "back" / "passwords").rglob("*.password"))
    assert {path.stat().st_mode & 0o777 for path in opened} == {0o600}
    assert not [path for path in opened if path.read_text().strip() in words]
    assert ruin.recover(1, 2)[0] == 2, "never over what is there"


def test_too_few_people(ruin: Ruin) -> None:
    code, report, words = ruin.recover(2, into="few")
    assert code == 11
    assert "1 usable share of set" in report["problems"][0]["what"]
    assert "2 are needed" in words
    assert not (ruin.top / "few").exists()


def test_an_asset_that_is_not_in_the_escrow(ruin: Ruin) -> None:
    code, _, words = ruin.recover(1, 2, into="other", more=("--asset", "permits"))
    assert code == 2
    assert "unknown asset in the escrow 'permits'; known: netdr" in words


def test_a_share_with_a_slip_of_the_pen(ruin: Ruin) -> None:
    path = ruin.top / "share-2-of-3.txt"
    good = path.read_text()
    last = good.split()[-1]
    try:
        path.write_text(good.removesuffix(f"{last}\n") + ("academic\n" if last != "academic" else "acid\n"))
        code, _, words = ruin.recover(1, 2, into="slip")
        assert code == 11
        assert "share-2-of-3.txt: a share cannot be read: 33 words, and their checksum is wrong" in words
        assert " ".join(good.split()[-4:-1]) not in words
    finally:
        path.write_text(good)


def test_a_damaged_repository_is_named(ruin: Ruin) -> None:
    copy = ruin.top / "copy" / "netdr"
    shutil.copytree(ruin.top / "netdr", copy)
    largest = max((copy / "data").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    largest.chmod(0o600)
    largest.write_bytes(bytes(largest.stat().st_size))
    code, _, words = ruin.recover(1, 2, into="damaged", more=("--repository", str(copy)))
    assert code in {9, 10}, words
    assert "came back different" in words or "bytes in the repository are not what was written" in words


def test_ctrl_c_says_what_is_left(ruin: Ruin) -> None:
    argv = [
        NETDR,
        "backup",
        "escrow",
        "recover",
        "--bundle",
        "escrow.json",
        "--repository",
        "netdr",
        "--into",
        "stopped",
    ]
    argv += ["--share", "share-1-of-3.txt", "--share", "share-2-of-3.txt"]
    clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    with subprocess.Popen(argv, cwd=ruin.top, env=clean, stderr=subprocess.PIPE, text=True) as running:
        end = time.monotonic() + 60
        while not (ruin.top / "stopped" / "passwords" / "repository").exists():
            assert time.monotonic() < end
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        words = running.communicate(timeout=60)[1]
    assert running.returncode == 130, words
    assert f"what was opened and restored so far is in {ruin.top / 'stopped'}, the repository is as it was" in words
    assert "Traceback" not in words
