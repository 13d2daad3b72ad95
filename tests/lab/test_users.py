import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inventory import load
from lab import users, visits
from lab.testing import RunningLab
from netdr.kernel.errors import LabError, UsageError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"


def test_users_are_those_the_policy_lets_in() -> None:
    network = load.network(LINWU)
    # policy.yaml: every desk reads notices; remote posts do not use the registry.
    remote = {unit.id for unit in network.units.values() if unit.user_class == "remote"}
    assert remote
    assert set(users.allowed(network, "notices")) == set(network.units)
    assert set(users.allowed(network, "registry")) == set(network.units) - remote


def test_an_unknown_service_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown service 'mail'; known: notices, registry"):
        users.errand("lab", load.network(LINWU), ["mail"], tmp_path / "log")


def test_only_programs_that_take_cases_are_written_to(tmp_path: Path) -> None:
    errand = users.errand("lab", load.network(LINWU), ["registry", "notices"], tmp_path / "log")
    assert {name: writes for name, (_, _, writes) in errand.services.items()} == {"registry": True, "notices": False}


@pytest.mark.lab
def test_every_unit_reaches_what_it_may_and_nothing_is_reached_that_is_down(deployed_lab: RunningLab) -> None:
    name, network = deployed_lab.name, deployed_lab.network
    assert None not in users.reached(name, network, "registry").values()
    others = set(network.units) - set(users.allowed(network, "registry"))
    assert set(users.reached(name, network, "registry", others).values()) == {None}


@pytest.mark.lab
def test_an_outage_is_measured_at_the_units_and_no_acknowledged_write_is_gone(
    deployed_lab: RunningLab, tmp_path: Path
) -> None:
    name, network, log = deployed_lab.name, deployed_lab.network, tmp_path / "log"
    home = network.hosts("services")[0].id
    with users.Users(users.errand(name, network, ["registry", "notices"], log, 0.3)):
        time.sleep(2)
        assert deployed_lab.run(home, "/etc/netdr/services/registry", "stop").returncode == 0
        failed_at = time.time()
        time.sleep(2)
        assert deployed_lab.run(home, "/etc/netdr/services/registry", "start").returncode == 0
        back_at = time.time()
        time.sleep(3)
    found = visits.read(log)
    survived = users.survivors(name, network, "registry")
    loss = visits.loss(found, "registry", failed_at, survived)
    assert set(loss.rto_s) == set(users.allowed(network, "registry"))
    assert all(seconds is not None and seconds > 2 for seconds in loss.rto_s.values())
    # The last to notice waits for its time-out, then visits again.
    assert loss.worst_rto_s is not None
    assert loss.worst_rto_s < back_at - failed_at + 3
    assert (loss.lost, loss.rpo_s) == ((), 0)
    assert visits.loss(found, "notices", failed_at, ()).worst_rto_s == 0

    newest = max(visits.acknowledged(found, "registry"), key=lambda visit: visit.t)
    assert visits.loss(found, "registry", failed_at, survived - {newest.id}).lost == (newest.id,)


@pytest.mark.lab
def test_users_end_with_the_process_that_sent_them(deployed_lab: RunningLab, tmp_path: Path) -> None:
    errand = users.errand(deployed_lab.name, deployed_lab.network, ["notices"], tmp_path / "log", 0.2)
    code = (
        "import sys, time; from lab.users import Users; from lab.visitor import Errand\n"
        f"users = Users({errand!r}).start(); print(users._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen((sys.executable, "-c", code), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1)
        parent.send_signal(signal.SIGKILL)
    limit = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


@pytest.mark.lab
def test_users_are_sent_once_and_those_who_cannot_log_say_so(deployed_lab: RunningLab, tmp_path: Path) -> None:
    errand = users.errand(deployed_lab.name, deployed_lab.network, ["notices"], tmp_path / "no-folder" / "log")
    busy = users.Users(errand).start()
    with pytest.raises(LabError, match="at work already"):
        busy.start()
    time.sleep(2)
    with pytest.raises(LabError, match="stopped by themselves"):
        busy.stop()
