import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from lab import control, netns
from lab.testing import RunningLab
from lab.visitor import get, post

pytestmark = pytest.mark.lab
T = TypeVar("T")
REGISTRY, NOTICES = "/etc/netdr/services/registry", "/etc/netdr/services/notices"
HOME, STANDBY = "store", "store-b"


def status(running_lab: RunningLab, node: str, verb: str) -> tuple[int, dict[str, object]]:
    done = running_lab.run(node, verb, "status")
    return done.returncode, json.loads(done.stdout)


def inside(running_lab: RunningLab, node: str, ask: Callable[..., T], *arguments: object) -> T:
    """Call a function of lab.visitor in the node's network."""

    def call() -> T:
        netns.enter(f"{running_lab.name}.{node}")
        return ask(*arguments)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def file_case(running_lab: RunningLab, node: str, seq: int) -> str:
    return inside(running_lab, node, post, str(running_lab.network.services["registry"]), 80, "test", seq)


def cases(running_lab: RunningLab, node: str) -> list[str]:
    address = str(running_lab.network.services["registry"])
    found: list[str] = json.loads(inside(running_lab, node, get, address, 80, "/cases?unit=test"))["ids"]
    return found


@pytest.fixture(autouse=True)
def home(running_lab: RunningLab) -> Iterator[None]:
    """Every test begins and ends with the services at home."""
    yield
    control.heal(running_lab.name, HOME)
    for node, verb in ((STANDBY, "stop"), (HOME, "start")):
        for service in (REGISTRY, NOTICES):
            done = running_lab.run(node, service, verb)
            assert done.returncode == 0, done.stderr


def test_the_home_site_serves_and_the_standby_does_not(running_lab: RunningLab) -> None:
    for service in (REGISTRY, NOTICES):
        assert status(running_lab, HOME, service)[0] == 0
        assert status(running_lab, STANDBY, service)[0] == 3


def test_a_stopped_service_takes_no_write_and_has_no_address(running_lab: RunningLab) -> None:
    assert running_lab.run(HOME, REGISTRY, "stop").returncode == 0
    code, found = status(running_lab, HOME, REGISTRY)
    assert code == 3
    assert found["parts"] == {"address": False, "web": False, "program": False, "database": True}
    # The other service on the host goes on.
    assert status(running_lab, HOME, NOTICES)[0] == 0
    assert running_lab.run(HOME, REGISTRY, "stop").returncode == 0


def test_start_mends_a_service_whose_program_or_database_died(running_lab: RunningLab) -> None:
    before = file_case(running_lab, HOME, 1)
    kill = "kill -9 $(cat /run/netdr/registry/app.pid); kill -9 $(head -1 /var/lib/postgresql/*/main/postmaster.pid)"
    running_lab.run(HOME, "sh", "-c", kill)
    assert status(running_lab, HOME, REGISTRY)[0] == 3
    done = running_lab.run(HOME, REGISTRY, "start")
    assert done.returncode == 0, done.stderr
    assert before in cases(running_lab, HOME)


def test_after_a_loss_of_power_nothing_serves_by_itself_and_no_acknowledged_case_is_gone(
    running_lab: RunningLab,
) -> None:
    acknowledged = [file_case(running_lab, HOME, seq) for seq in range(2, 12)]
    control.break_(running_lab.name, HOME)
    control.heal(running_lab.name, HOME)
    code, found = status(running_lab, HOME, REGISTRY)
    assert code == 3
    assert found["parts"] == {"address": False, "web": False, "program": False, "database": True}
    assert status(running_lab, HOME, NOTICES)[0] == 3
    assert running_lab.run(HOME, REGISTRY, "start").returncode == 0
    assert set(acknowledged) <= set(cases(running_lab, HOME))


def test_the_standby_starts_pages_from_data_that_was_just_put_there(running_lab: RunningLab) -> None:
    running_lab.run(STANDBY, "sh", "-c", "mkdir -p /srv/notices && echo restored > /srv/notices/index.html")
    done = running_lab.run(STANDBY, NOTICES, "start")
    assert done.returncode == 0, done.stderr
    address = str(running_lab.network.services["notices"])
    assert inside(running_lab, STANDBY, get, address, 80, "/") == b"restored\n"


def test_starting_without_the_data_says_why(running_lab: RunningLab) -> None:
    done = running_lab.run(STANDBY, REGISTRY, "start")
    assert done.returncode == 1
    assert "registry: started but does not serve: 503" in done.stderr
    assert 'database "registry" does not exist' in done.stderr


def test_only_root_starts_and_only_known_verbs_are_taken(running_lab: RunningLab) -> None:
    done = running_lab.run(HOME, REGISTRY, "restart")
    assert (done.returncode, done.stderr) == (1, "registry: unknown verb 'restart'; known: start, status, stop\n")


def test_the_database_lets_nobody_in_from_the_network(running_lab: RunningLab) -> None:
    own = str(running_lab.network.node(HOME).loopback)
    listening = running_lab.run(HOME, "ss", "-Hltn", "sport = :5432").stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"{own}:5432"]
    for node in (HOME, STANDBY):
        done = running_lab.run(node, "psql", "-w", "-U", "postgres", "-h", own, "-c", "SELECT 1", "postgres")
        assert done.returncode == 2
        assert "no pg_hba.conf entry for host" in done.stderr
