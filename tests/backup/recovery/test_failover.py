from pathlib import Path

import pytest

from backup.recovery import scenario
from backup.recovery.deeds import bound
from backup.recovery.failover import FRESH, main_still_lost, witnesses
from backup.recovery.plan import Step
from backup.recovery.report import figures
from backup.recovery.run import Done, Journal, Record, carry_out
from backup.recovery.scene import Scene, moved
from backup.recovery.testing import FakeWorld
from backup.recovery.world import Facts
from backup.remote import chosen
from inventory import load, placement
from inventory.network import Network
from netdr.kernel.errors import Problems, RecoveryError, UsageError

ROOT = Path(__file__).parents[3]
PLANS = scenario.load_all()
MOMENT = "2026-11-23T10:05:30+08:00"


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


def go(fake: FakeWorld, tmp_path: Path, verb: str, subject: str = "") -> tuple[Done, ...]:
    services = chosen(fake.network.district.services, [])
    now = fake.placements[-1] if fake.placements else placement.home(fake.network.district)
    found = PLANS["server-room-lost" if verb == "failover" else verb]
    plan = found.plan([service.id for service in services])
    scene = Scene(fake.world(), services, now, moved(found, services, now), subject, MOMENT)
    journal = Journal(tmp_path / f"{verb}.db")
    try:
        return carry_out(plan, bound(plan, scene), Record(journal, verb, lambda _done: None, lambda _seconds: None))
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


def test_a_service_that_does_not_come_back_holds_up_no_other(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    del fake.copies["portal"]

    with pytest.raises(Problems, match="there is no copy"):
        go(fake, tmp_path, "failover")
    others = {service.id for service in fake.network.district.services} - {"portal"}
    assert fake.running == {("srv-dr", name) for name in others}
    assert fake.announced is not None
    assert set(fake.announced.active.values()) == {"dr"}


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


def test_too_few_witnesses_are_no_proof(fake: FakeWorld, tmp_path: Path) -> None:
    """Five are asked; two that answer are no majority, three are."""
    lose_main_site(fake)
    asked = witnesses(fake.world())
    assert len(asked) == 5
    fake.lost |= set(asked[:3])

    with pytest.raises(Problems, match=r"too few units could be asked.*reaches 2 of the 5 witnesses"):
        go(fake, tmp_path, "failover")
    assert fake.log == []

    fake.lost.remove(asked[0])
    go(fake, tmp_path, "failover")
    assert fake.announced is not None


def test_nothing_happens_until_somebody_has_decided(fake: FakeWorld, tmp_path: Path) -> None:
    lose_main_site(fake)
    fake.says["decide"] = "no"

    with pytest.raises(Problems, match="not agreed"):
        go(fake, tmp_path, "failover")
    assert fake.log == []
    assert fake.placements == []


def test_who_decides_late_must_see_the_loss_again(fake: FakeWorld) -> None:
    """The main site is back: a decision that took long rests on what is no longer so."""
    services = chosen(fake.network.district.services, [])
    now = placement.home(fake.network.district)
    scene = Scene(fake.world(), services, now, now)
    step = next(one for one in PLANS["server-room-lost"].plan([]).steps if one.id == "decide")

    main_still_lost(scene, step, FRESH)
    with pytest.raises(RecoveryError, match="main site still answers"):
        main_still_lost(scene, step, FRESH + 1)


def test_a_lost_service_gets_its_newest_copy_where_it_is_active(fake: FakeWorld, tmp_path: Path) -> None:
    done = go(fake, tmp_path, "service-lost")

    assert fake.data["srv-1", "portal"] == 90
    assert ("srv-1", "portal") in fake.running
    order = [line for line in fake.log if " portal" in line]
    assert order == ["stop portal on srv-1", "bring portal newest", "start portal on srv-1"]
    assert {item.step.phase for item in done} == {"detect", "decide", "fence", "fetch", "start", "verify"}


def test_a_corrupted_database_goes_back_to_the_moment_asked_for(fake: FakeWorld, tmp_path: Path) -> None:
    go(fake, tmp_path, "database-corrupted")
    assert f"bring approval {MOMENT}" in fake.log


def test_after_ransomware_the_last_good_snapshot_comes_back(fake: FakeWorld, tmp_path: Path) -> None:
    """Proven and undoubted is the second of four: the third was not proven, the last one is what the brake is about."""
    rows: list[Facts] = [
        {"snapshot": "a1", "as_of": "2026-11-20T00:00:00+00:00", "proof": "passed", "doubt": ""},
        {"snapshot": "b2", "as_of": "2026-11-21T00:00:00+00:00", "proof": "passed", "doubt": ""},
        {"snapshot": "c3", "as_of": "2026-11-22T00:00:00+00:00", "proof": "none", "doubt": ""},
        {"snapshot": "d4", "as_of": "2026-11-23T00:00:00+00:00", "proof": "passed", "doubt": "hold 7: encrypted"},
    ]
    fake.snapshots = {service.id: rows for service in fake.network.district.services}
    fake.says = {"isolate": "unit 4 is cut off"}

    done = go(fake, tmp_path, "ransomware")

    assert {line.split()[2] for line in fake.log if line.startswith("bring")} == {"b2"}
    assert {item.step.id: item.facts for item in done}["isolate"] == {"said": "unit 4 is cut off"}


def test_without_a_good_snapshot_nothing_is_stopped(fake: FakeWorld, tmp_path: Path) -> None:
    fake.says = {"isolate": "done"}
    with pytest.raises(Problems, match="is proven and free of doubt"):
        go(fake, tmp_path, "ransomware")
    assert [line for line in fake.log if line.startswith("stop")] == []


def mended_when(fake: FakeWorld, step_id: str) -> None:
    """Let everything answer again as soon as a person reports to have done a step."""
    report = fake.report

    def mend(step: Step, limit: float) -> str:
        if step.id == step_id:
            fake.lost = set()
        return report(step, limit)

    fake.report = mend  # type: ignore[method-assign]


def test_a_replaced_device_is_configured_once_it_answers(fake: FakeWorld, tmp_path: Path) -> None:
    fake.lost = {"core-2"}
    fake.says = {"mount": "serial 123", "pin": "SHA256:abc"}
    with pytest.raises(Problems, match="no answer from core-2"):
        go(fake, tmp_path, "device-replaced", "core-2")
    assert fake.log == []

    mended_when(fake, "pin")
    go(fake, tmp_path, "device-replaced", "core-2")
    assert fake.log == ["configure core-2"]


def test_what_answers_is_not_replaced(fake: FakeWorld, tmp_path: Path) -> None:
    with pytest.raises(Problems, match="it is not dead"):
        go(fake, tmp_path, "device-replaced", "core-2")
    assert fake.log == []


def test_a_lost_aggregation_site_is_brought_up_to_date_when_it_is_whole(fake: FakeWorld, tmp_path: Path) -> None:
    site = next(one.id for one in fake.network.district.sites if one.kind == "aggregation")
    nodes = [node.id for node in fake.network.at_site(site)]
    fake.lost = set(nodes)
    fake.says = {"mend": "power"}
    mended_when(fake, "mend")
    done = {item.step.id: item.facts for item in go(fake, tmp_path, "aggregation-lost", site)}

    assert done["detect"] == {"silent": sorted(nodes), "nodes": len(nodes)}
    assert fake.log == [f"configure {', '.join(nodes)}"]
