"""``./run demo``, whole: its figures and their bounds, and that nothing of it stays behind, finished or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inventory import load
from inventory.policy.matrix import expected
from lab import control

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
NETWORK = load.network(ROOT / "inventory" / "suxian")
LIMIT_S = 1200
MEMORY_MB = 3000
FIELDS = {
    "lab_up_s", "lab_memory_mb", "nodes", "devices_deployed", "second_deploy_changes", "one_unit_change_devices",
    "rollback_restored_devices", "failed_unit_restored_devices", "failed_unit_abort_s", "matrix_cells",
    "matrix_mismatches", "targets_total", "targets_up", "alert_fired_s", "alert_resolved_s",
    "snapshots_copied", "proofs_passed", "tamper_detected", "units_served_after_failover", "services", "failback_lost",
    "total_s", "leftovers",
}  # fmt: skip


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo in a process group of its own, as a shell does."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    argv = [str(ROOT / "run"), "demo", "--name", name, *arguments]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "NETDR_TEST": name}
    return subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str], limit: float) -> str:
    """Return what the demo printed once it has ended; one that does not end is ended."""
    try:
        return process.communicate(timeout=limit)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        return process.communicate(timeout=120)[0]


def remains(name: str) -> list[str]:
    """Return what is there of a demo, asked of the kernel: namespaces, mounts, processes, folders."""
    namespaces = [str(path) for path in Path("/run/netns").glob(f"{name}.*")]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"/{name}" in line]
    mark, processes = f"NETDR_TEST={name}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes() or f"{name}." in (path / "cmdline").read_text():
                processes.append(f"{path.name} {(path / 'cmdline').read_text()}")
        except OSError:
            continue
    folders = [str(path) for top in ("/run/netdr-lab", "/var/lib/netdr-lab") for path in Path(top).glob(name)]
    return namespaces + mounts + processes + folders


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    found = f"demo-{os.getpid()}"
    yield found
    control.down(found)


@pytest.fixture(scope="module")
def figures(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of one whole demo, and how busy the machine was when it began."""
    report = tmp_path_factory.mktemp("demo") / "report.json"
    process = start(name, "--report", str(report))
    said = finish(process, LIMIT_S)
    if process.returncode == 13:
        pytest.skip(said.strip())
    assert process.returncode == 0, said
    found: dict[str, Any] = json.loads(report.read_text())
    return {"figures": found, "said": said}


def test_the_report_has_every_field(figures: dict[str, Any]) -> None:
    assert set(figures["figures"]) == FIELDS
    assert [field for field, value in figures["figures"].items() if value is None] == []


def test_the_network_is_deployed_from_day_0(figures: dict[str, Any]) -> None:
    found = figures["figures"]
    assert found["nodes"] == len(NETWORK.nodes) + len(NETWORK.nets)
    assert found["devices_deployed"] == 41
    assert found["second_deploy_changes"] == 0
    assert found["one_unit_change_devices"] == 1
    assert found["rollback_restored_devices"] >= 2
    assert found["failed_unit_restored_devices"] == found["rollback_restored_devices"]


def test_the_policy_holds_for_real_packets(figures: dict[str, Any]) -> None:
    found = figures["figures"]
    assert found["matrix_cells"] == len(expected(NETWORK).cells)
    assert found["matrix_mismatches"] == 0


def test_every_device_is_watched_and_a_cut_is_an_alert_in_time(figures: dict[str, Any]) -> None:
    found = figures["figures"]
    assert found["targets_up"] == found["targets_total"] == 41
    assert 0 < found["alert_fired_s"] <= 30
    assert 0 < found["alert_resolved_s"] <= 30


def test_copies_come_back_and_a_flipped_byte_is_found(figures: dict[str, Any]) -> None:
    found = figures["figures"]
    assert found["snapshots_copied"] >= 2
    assert found["proofs_passed"] >= 2
    assert found["tamper_detected"] is True


def test_every_unit_is_served_from_the_dr_site_and_nothing_is_lost_on_the_way_home(figures: dict[str, Any]) -> None:
    found = figures["figures"]
    assert found["units_served_after_failover"] == 36
    assert found["failback_lost"] == 0
    promises = {promise.id: promise for promise in NETWORK.district.protections}
    assert {"portal", "approval"} <= set(found["services"])
    for service in NETWORK.district.services:
        if service.id in found["services"]:
            measured = found["services"][service.id]
            assert 0 < measured["rto_s"] <= promises[service.protection].rto
            assert 0 <= measured["rpo_s"] <= promises[service.protection].rpo
            assert measured["acknowledged_lost"] >= 0


def test_nothing_stays_behind(figures: dict[str, Any], name: str) -> None:
    assert figures["figures"]["leftovers"] == 0
    assert remains(name) == []


def test_the_lab_fits_into_its_memory(figures: dict[str, Any]) -> None:
    # Times are figures of the report, not of a test: they say more about the machine than about the code.
    assert figures["figures"]["lab_memory_mb"] <= MEMORY_MB


@pytest.mark.parametrize("after_s", [3, 25])
def test_ctrl_c_leaves_nothing(after_s: float) -> None:
    name = f"demo-{os.getpid()}-{after_s}"
    temporary = set(Path(tempfile.gettempdir()).glob("netdr-demo-*"))
    process = start(name)
    try:
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        said = finish(process, 120)
        assert process.returncode == 130, said
        assert "interrupted" in said
        assert "Traceback" not in said
        assert remains(name) == []
        assert set(Path(tempfile.gettempdir()).glob("netdr-demo-*")) <= temporary
    finally:
        control.down(name)
