from pathlib import Path

import pytest

from backup.recovery.failback import failback
from backup.recovery.failover import failover, witnesses
from backup.recovery.report import figures
from backup.recovery.run import Done, Journal, Record, carry_out
from backup.recovery.testing import FakeWorld
from backup.remote import chosen
from inventory import load, placement
from inventory.network import Network
from netdr.kernel.errors import Problems, UsageError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(ROOT / "inventory/suxian")


@pytest.fixture
def fake(network: Network) -> FakeWorld:
    fake = FakeWorld(network)
    for service in network.district.services:
        fake.data["srv-1", service.id] = 100
        fake.copies[service.id] = 90
        fake.running.add(("srv-1", service.id))
    return fake


def lose_main_site(fake: FakeWorld) -> None:
    fake.lost = {node.id for node in fake.network.at_site("server-room")}
    fake.running = {pair for pair in fake.running if pair[0] != "srv-1"}


def go(fake: FakeWorld, tmp_path: Path, verb: str) -> tuple[Done, ...]:
    services = chosen(fake.network.district.services, [])
    now = fake.placements[-1] if fake.placements else placement.home(fake.network.district)
    plan, actions = (failover if verb == "failover" else failback)(fake.world(), services, now)
    journal = Journal(tmp_path / f"{verb}.db")
    try:
        return carry_out(plan, actions, Record(journal, verb, lambda _done: None, lambda _seconds: None))
    finally:
        journal.close()


def test_every_service_runs_at_the_dr_site_after_failover(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)

    go(fake, tmp_path, "failover")

    assert fake.running == {("srv-dr", service.id) for service in fake.network.district.services}
    assert fake.announced is not None
    assert set(fake.announced.active.values()) == {"dr"}
    assert fake.announced.epoch == 1


def test_failover_is_refused_while_the_main_site_answers(fake: FakeWorld, tmp_path: Path) -> None:
    with pytest.raises(Problems, match="main site still answers"):
        go(fake, tmp_path, "failover")

    assert fake.log == []
    assert fake.placements == []


def test_failover_is_refused_while_a_unit_still_reaches_the_main_site(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    seen = witnesses(fake.world())[0]
    fake.witness = lambda switch, nodes: tuple(nodes) if switch == seen else ()  # type: ignore[method-assign]

    with pytest.raises(Problems, match=f"{seen} reaches"):
        go(fake, tmp_path, "failover")
    assert fake.log == []


def test_failover_is_refused_when_the_dr_site_itself_is_cut_off(fake: FakeWorld, tmp_path: Path) -> None:
    fake.lost = {node.id for node in fake.network.nodes.values() if node.site != "dr"}

    with pytest.raises(Problems, match="no unit could be asked"):
        go(fake, tmp_path, "failover")
    assert fake.log == []


def test_nothing_is_announced_when_a_service_does_not_start(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    del fake.copies["portal"]

    with pytest.raises(Problems, match="there is no copy"):
        go(fake, tmp_path, "failover")
    assert fake.announced is None


def test_failback_loses_nothing_that_was_written_at_the_dr_site(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    go(fake, tmp_path, "failover")
    fake.data["srv-dr", "approval"] = 150
    fake.lost = set()

    go(fake, tmp_path, "failback")

    assert fake.data["srv-1", "approval"] == 150
    assert fake.running == {("srv-1", service.id) for service in fake.network.district.services}
    assert fake.announced is not None
    assert set(fake.announced.active.values()) == {"server-room"}
    assert fake.announced.epoch == 2


def test_failback_waits_for_the_whole_main_site(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    go(fake, tmp_path, "failover")
    fake.lost = {"core-2"}
    fake.log.clear()

    with pytest.raises(Problems, match="no answer from core-2"):
        go(fake, tmp_path, "failback")
    assert fake.log == []


def test_figures_come_from_the_events(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    done = go(fake, tmp_path, "failover")
    verified = next(item for item in done if item.step.id == "verify:approval")

    found = figures(fake.network, ["approval"], 95.0, done)["approval"]

    assert found.rpo_s == 5.0
    assert found.rto_s == round(verified.ended - 95.0, 2)
    assert not found.kept


def test_an_unknown_service_lists_the_known_ones(network: Network) -> None:
    with pytest.raises(UsageError, match="unknown service 'mail'; known: approval, credit"):
        chosen(network.district.services, ["mail"], "service")
