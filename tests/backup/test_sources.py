"""What is saved besides files and databases: netdr itself, its vault, what devices say, time series."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import sources
from backup.duty import Book
from backup.host import LocalShell, Result, Shell
from backup.machine import Machine
from backup.postgres import Cluster
from backup.repository import Layout
from backup.testing import FakeShell
from inventory.asset import Devices, NetdrState, Prometheus, Vault
from netdr.kernel.errors import BackupError, Problems

CIPHER = "$ANSIBLE_VAULT;1.1;AES256\n3132\n"


def machine(top: Path, shell: Shell | None = None) -> Machine:
    def cluster() -> Cluster:
        raise AssertionError

    book = Book("warden", "controller", "127.0.0.1", {}, str(top / "district"), str(top / "state"))
    return Machine(book, Layout.under(top), shell or LocalShell("warden"), cluster, lambda: datetime.now(UTC))


@pytest.fixture
def controller(tmp_path: Path) -> Machine:
    district, state = tmp_path / "district", tmp_path / "state"
    for folder in (district, state / "journal", state / "prometheus" / "wal", state / "ssh"):
        folder.mkdir(parents=True)
    (district / "sites.yaml").write_text("sites: []\n")
    (state / "secrets.yaml").write_text(CIPHER)
    (state / "vault-password").write_text("not in a backup\n")
    (state / "ssh" / "known_hosts").write_text("10.0.0.1 ssh-ed25519 AAAA\n")
    (state / "prometheus" / "wal" / "00000000").write_text("series")
    return machine(tmp_path)


def test_netdr_is_saved_without_what_opens_everything(controller: Machine, tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    assert sources.stage([NetdrState(kind="netdr")], top, controller, limit=60) == {}
    saved = {str(path.relative_to(top / "netdr")) for path in (top / "netdr").rglob("*") if path.is_file()}
    assert {"inventory/sites.yaml", "state/secrets.yaml", "state/ssh/known_hosts", "program/pyproject.toml"} <= saved
    assert not {name for name in saved if "vault-password" in name or ("prometheus/" in name and "state/" in name)}
    assert not {name for name in saved if ".venv/" in name or ".git/" in name or "__pycache__" in name}


def test_a_journal_is_saved_in_one_piece_while_it_is_written(controller: Machine, tmp_path: Path) -> None:
    live = Path(controller.book.state) / "journal" / "changes.db"
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE step (n INTEGER)")
        writer.executemany("INSERT INTO step VALUES (?)", [(n,) for n in range(500)])
        writer.execute("BEGIN")
        writer.execute("INSERT INTO step VALUES (999)")
        # The log holds all of it still: the file alone would be an empty database.
        assert live.with_name("changes.db-wal").stat().st_size > 0
        top = tmp_path / "tree"
        top.mkdir()
        sources.stage([NetdrState(kind="netdr")], top, controller, limit=60)
    copy = top / "netdr" / "state" / "journal" / "changes.db"
    assert not list(copy.parent.glob("*-wal"))
    with closing(sqlite3.connect(copy)) as reader:
        assert reader.execute("SELECT count(*), max(n) FROM step").fetchone() == (500, 499)
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_vault_in_clear_is_never_saved(controller: Machine) -> None:
    sources.require([Vault(kind="vault")], controller)
    path = Path(controller.book.state) / "secrets.yaml"
    path.write_text("ospf-key: not-a-secret\n")
    with pytest.raises(Problems, match="the vault is not encrypted and is not saved like this"):
        sources.require([Vault(kind="vault")], controller)
    path.unlink()
    with pytest.raises(Problems, match="there is no vault"):
        sources.require([Vault(kind="vault")], controller)


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    wanted = [NetdrState(kind="netdr"), Vault(kind="vault"), Prometheus(kind="prometheus", path="/nonexistent")]
    with pytest.raises(Problems) as caught:
        sources.require(wanted, machine(tmp_path))
    assert len(caught.value.problems) == 4


def fleet(devices: Sequence[str], failed: Sequence[str]) -> FakeShell:
    def answer(argv: Sequence[str]) -> Result:
        folder = Path(argv[argv.index("--into") + 1])
        folder.mkdir()
        for name in devices:
            (folder / name).write_text(f"hostname {name}\n")
        told = [{"kind": "unreachable", "what": "no answer", "where": name, "why": "", "hint": ""} for name in failed]
        return Result(5 if failed else 0, json.dumps({"devices": devices, "failed": told}), "")

    return FakeShell([answer], name="warden")


def test_a_unit_without_power_does_not_keep_the_others_from_being_saved(tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    shell = fleet(["hub", "acc-ferry"], ["acc-quarry"])
    sources.stage([Devices(kind="devices")], top, machine(tmp_path, shell), limit=60)
    assert {path.name for path in (top / "devices").iterdir()} == {"hub", "acc-ferry", "not-answering.json"}
    assert json.loads((top / "devices" / "not-answering.json").read_text())[0]["where"] == "acc-quarry"
    assert shell.calls[0][1:5] == ("-i", str(tmp_path / "district"), "--state", str(tmp_path / "state"))


def test_a_network_that_does_not_answer_is_no_backup(tmp_path: Path) -> None:
    top = tmp_path / "tree"
    top.mkdir()
    with pytest.raises(BackupError, match="2 devices do not answer and 1 do"):
        sources.stage([Devices(kind="devices")], top, machine(tmp_path, fleet(["hub"], ["a", "b"])), limit=60)
    silent = FakeShell([lambda _: Result(3, "", "netdr: services.yaml:3: unknown key 'hmoe'")])
    with pytest.raises(BackupError, match="unknown key 'hmoe'"):
        sources.stage([Devices(kind="devices")], tmp_path, machine(tmp_path, silent), limit=60)


def test_devices_are_a_controllers_business(tmp_path: Path) -> None:
    host = machine(tmp_path)
    store = dataclasses.replace(host, book=dataclasses.replace(host.book, role="services"))
    with pytest.raises(Problems, match="devices are reached from a controller only"):
        sources.require([Devices(kind="devices")], store)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def asked(port: int, query: str) -> list[object]:
    url = f"http://127.0.0.1:{port}/api/v1/query?query={query}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: list[object] = json.load(answer)["data"]["result"]
        return found


@pytest.mark.tools
def test_time_series_saved_from_a_running_prometheus_come_back(tmp_path: Path) -> None:
    if not shutil.which("prometheus"):
        pytest.skip("needs prometheus")
    config = tmp_path / "prometheus.yml"
    live, port = tmp_path / "live", free_port()
    scrape = {"job_name": "itself", "scrape_interval": "200ms", "scrape_timeout": "200ms"}
    config.write_text(
        json.dumps({"scrape_configs": [{**scrape, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]})
    )

    def serve(data: Path, on: int, rules: Path) -> subprocess.Popen[bytes]:
        flags = [f"--config.file={rules}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{on}"]
        return subprocess.Popen(["prometheus", *flags, "--log.level=error"])

    def until(on: int) -> bool:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                if asked(on, "count_over_time(up[1h])%3E3"):
                    return True
            except OSError:
                pass
            time.sleep(0.2)
        return False

    running = serve(live, port, config)
    try:
        assert until(port)
        top = tmp_path / "tree"
        top.mkdir()
        one = Prometheus(kind="prometheus", path=str(live))
        sources.require([one], machine(tmp_path))
        sources.stage([one], top, machine(tmp_path), limit=60)
    finally:
        running.terminate()
        running.wait(20)
    silent, other = tmp_path / "silent.yml", free_port()
    silent.write_text("{}")
    again = serve(top / "prometheus", other, silent)
    try:
        assert until(other), "the restored server knows nothing"
    finally:
        again.terminate()
        again.wait(20)


def test_how_much_there_is_before_anything_is_done(controller: Machine) -> None:
    def size(one: NetdrState | Vault | Prometheus) -> int | None:
        return sources.KINDS[one.kind].size(one, controller)

    assert size(Vault(kind="vault")) == len(CIPHER)
    assert size(Prometheus(kind="prometheus", path=str(Path(controller.book.state) / "prometheus"))) == len("series")
    before = size(NetdrState(kind="netdr"))
    (Path(controller.book.inventory) / "units.yaml").write_text("x" * 1000)
    assert size(NetdrState(kind="netdr")) == (before or 0) + 1000
