"""Runs that are begun, killed, resumed, taken back, committed; and never two at once."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from backup.recovery import scenario, state
from backup.recovery.alone import alone
from backup.recovery.desk import Carried, Desk
from backup.recovery.failover import WITNESSES
from backup.recovery.run import Journal
from backup.recovery.testing import FakeWorld
from backup.recovery.wish import Wish
from inventory import load, placement
from inventory.network import Network
from netdr.kernel.errors import BusyError, Problems, RecoveryError, UsageError

HERE = Path(__file__).parent
LINWU = HERE.parents[1] / "districts/linwu"
HOME, AWAY = "store", "store-b"
SERVICES = ("registry", "notices")
PLANS = scenario.load_all()


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


@pytest.fixture
def fake(network: Network) -> FakeWorld:
    fake = FakeWorld(network)
    for service in SERVICES:
        fake.data[HOME, service], fake.copies[service] = 100, 90
        fake.running.add((HOME, service))
    return fake


@pytest.fixture
def reports() -> list[Carried]:
    return []


@pytest.fixture
def desk(fake: FakeWorld, tmp_path: Path, reports: list[Carried]) -> Iterator[Desk]:
    journal = Journal(tmp_path / "recovery.db")
    home = placement.home(fake.network.district)
    yield Desk(
        world=fake.world(),
        scenarios=PLANS,
        placement=lambda: fake.placements[-1] if fake.placements else home,
        journal=journal,
        tell=lambda _done: None,
        report=reports.append,
        wait=lambda _seconds: None,
    )
    journal.close()


def lose_main(fake: FakeWorld) -> None:
    fake.lost = {node.id for node in fake.network.at_site(fake.network.node(HOME).site)}
    fake.running = {pair for pair in fake.running if pair[0] != HOME}


def at(host: str) -> set[tuple[str, str]]:
    return {(host, service) for service in SERVICES}


FAILOVER = Wish("server-room-lost")


# ---- killed ----------------------------------------------------------------------------------------------------

# What each step of the plan does to the world.
LINES = {
    "fence": "record 1",
    "switch": "change 1",
    **{f"restore:{name}": f"restore {name} on {AWAY}" for name in SERVICES},
    **{f"start:{name}": f"start {name} on {AWAY}" for name in SERVICES},
}


def test_killed_at_any_point_it_is_resumed_and_nothing_done_is_done_again(tmp_path: Path) -> None:
    """Points: run begun, 10 steps each begun and done, run ended: 22 rows; 6 acts. And once each without a kill."""
    argv = [sys.executable, str(HERE / "killed.py"), str(tmp_path)]
    out = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    found = [json.loads(line) for line in out.splitlines()]

    assert [(one["kill"], one["count"]) for one in found] == [
        *(("row", count) for count in range(1, 24)),
        *(("act", count) for count in range(1, 8)),
    ]
    for one in found:
        undisturbed = one["count"] == (23 if one["kill"] == "row" else 7)
        assert one["first"] == (0 if undisturbed else -signal.SIGKILL)
        assert one["again"] == 0
        assert one["running"] == [[AWAY, "notices"], [AWAY, "registry"]], one
        assert one["epoch"] == 1
        assert one["fates"] == ["begun", "ended"]
        assert one["twice_done"] == []
        for step, line in LINES.items():
            assert one["lines"][line] in ({1} if step in one["done_before"] else {1, 2}), one
        # One act can be cut off from its row at a time per worker; what was killed at a row is repeated by them only.
        assert sum(one["lines"].values()) <= len(LINES) + 4
        if undisturbed:
            assert one["lines"] == dict.fromkeys(LINES.values(), 1)


def test_a_step_that_failed_is_done_again_and_those_before_it_are_not(
    desk: Desk, fake: FakeWorld, reports: list[Carried]
) -> None:
    lose_main(fake)
    fake.fails = "change"
    with pytest.raises(Problems, match="it broke"):
        desk.begin(FAILOVER)
    assert desk.state == "failing-over"
    before = list(fake.log)

    fake.fails = ""
    done = desk.resume()

    assert fake.log == [*before, "change 1"]
    assert {one.step.id for one in done.done} == {step.id for step in done.plan.steps}
    assert desk.state == "failed-over"
    assert reports[-1].name == reports[0].name == done.run.id


def test_nothing_is_resumed_when_nothing_is_open(desk: Desk) -> None:
    with pytest.raises(RecoveryError, match="nothing to resume"):
        desk.resume()


def test_of_several_open_runs_one_must_be_named(desk: Desk, fake: FakeWorld) -> None:
    for _ in range(2):
        fake.lost = {AWAY}
        with pytest.raises(Problems, match="nobody answers"):
            desk.begin(Wish("dr-site-lost", (fake.network.node(AWAY).site,)))
    with pytest.raises(RecoveryError, match=r"several runs are open: dr-site-lost-.*, dr-site-lost-"):
        desk.resume()

    fake.lost, fake.says = set(), {"mend": "power"}
    done = desk.resume(desk.past[0].run.id)
    assert [line for line in fake.log if line.startswith("copy")] == ["copy registry", "copy notices"]
    assert done.run.subject == fake.network.node(AWAY).site


def test_a_run_is_not_resumed_over_a_newer_decision(desk: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    fake.fails = "change"
    with pytest.raises(Problems):
        desk.begin(FAILOVER)
    fake.placements.append(fake.placements[-1].moved({"registry": fake.network.node(HOME).site}))

    with pytest.raises(RecoveryError, match="epoch 2 was decided since this run began at epoch 0"):
        desk.resume()
    # Nor is it in the way of what has to be done next.
    assert desk.state == "committed"
    fake.fails, fake.lost = "", set()
    desk.begin(Wish("failback"))
    assert desk.state == "protected"
    assert [one.fate for one in desk.past] == ["abandoned", "ended"]


# ---- taken back ------------------------------------------------------------------------------------------------

POINTS = ("record 1", *(f"{verb} {name}" for verb in ("restore", "start") for name in SERVICES), "change 1", "never")


@pytest.mark.parametrize("point", POINTS)
def test_a_failover_is_taken_back_from_wherever_it_stands(desk: Desk, fake: FakeWorld, point: str) -> None:
    lose_main(fake)
    fake.fails = point
    if point == "never":
        desk.begin(FAILOVER)
    else:
        with pytest.raises(Problems, match="it broke"):
            desk.begin(FAILOVER)
    fake.lost, fake.fails = set(), ""

    desk.undo()

    assert fake.running == at(HOME)
    assert set(desk.placement().active.values()) == {fake.network.node(HOME).site}
    assert desk.placement().epoch == 2
    assert fake.announced is None or set(fake.announced.active.values()) == {fake.network.node(HOME).site}
    assert desk.state == "protected"


def test_the_way_back_stops_the_dr_site_before_home_starts(desk: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    desk.begin(FAILOVER)
    fake.lost = set()
    fake.log.clear()

    desk.undo()

    starts = [place for place, line in enumerate(fake.log) if line.startswith("start")]
    stops = [place for place, line in enumerate(fake.log) if line.startswith("stop")]
    assert fake.log[0] == "change 2"
    assert max(stops) < fake.log.index("record 2") < min(starts)


def test_nothing_is_taken_back_while_home_is_not_whole(desk: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    desk.begin(FAILOVER)
    fake.log.clear()

    with pytest.raises(Problems, match="the main site is not whole yet"):
        desk.undo()
    assert fake.log == []
    assert desk.state == "undoing"

    fake.lost = set()
    done = desk.resume()
    assert fake.running == at(HOME)
    assert done.name == f"{done.run.id}-undo"


def test_what_is_committed_is_not_taken_back(desk: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    desk.begin(FAILOVER)
    assert desk.state == "failed-over"

    desk.commit()

    assert desk.state == "committed"
    with pytest.raises(RecoveryError, match=r"undo is not possible now: the state is 'committed'"):
        desk.undo()
    with pytest.raises(RecoveryError, match="commit is not possible now"):
        desk.commit()


def test_failover_and_failback_go_round(desk: Desk, fake: FakeWorld) -> None:
    for epoch in (0, 2):
        assert desk.state == "protected"
        lose_main(fake)
        desk.begin(FAILOVER)
        assert fake.running == at(AWAY)
        fake.lost = set()
        desk.begin(Wish("failback"))
        assert fake.running == at(HOME)
        assert desk.placement().epoch == epoch + 2


# ---- who decides ------------------------------------------------------------------------------------------------


@pytest.fixture
def by_policy(desk: Desk, tmp_path: Path) -> Desk:
    """The same desk with a district's own plan, in which the witnesses decide."""
    text = (scenario.SHIPPED / "server-room-lost.yaml").read_text(encoding="utf-8")
    (tmp_path / "server-room-lost.yaml").write_text(
        text.replace("decides: person", "decides: policy"), encoding="utf-8"
    )
    return replace(desk, scenarios=scenario.load_all(tmp_path))


def test_a_policy_decides_with_the_majority_of_the_witnesses(by_policy: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    fake.says["decide"] = "a person would say no"

    facts = {one.step.id: one.facts for one in by_policy.begin(FAILOVER).done}

    assert facts["decide"] == {"by": "policy", "witnesses": facts["detect"]["witnesses"]}
    assert fake.running == at(AWAY)


def test_a_policy_does_not_decide_once_the_site_is_back(by_policy: Desk, fake: FakeWorld) -> None:
    """It comes back between the detection and the decision."""
    lose_main(fake)
    asked = fake.answering
    hosts: list[int] = []

    def answering(nodes: Sequence[str]) -> tuple[str, ...]:
        hosts.append(1)
        return tuple(nodes) if len(hosts) > 1 + WITNESSES else asked(nodes)

    fake.answering = answering  # type: ignore[method-assign]
    with pytest.raises(Problems, match="main site still answers"):
        replace(by_policy, world=fake.world()).begin(FAILOVER)
    assert fake.log == []


# ---- what the state allows --------------------------------------------------------------------------------------


def test_a_refused_failover_leaves_the_state_as_it_was(desk: Desk, fake: FakeWorld) -> None:
    with pytest.raises(Problems, match="the main site still answers"):
        desk.begin(FAILOVER)
    assert desk.state == "protected"
    assert [one.fate for one in desk.past] == ["abandoned"]
    assert fake.log == []


def test_services_move_one_after_the_other_and_none_twice(desk: Desk, fake: FakeWorld) -> None:
    lose_main(fake)
    desk.begin(Wish("server-room-lost", ("registry",)))
    with pytest.raises(RecoveryError, match="registry: already at the DR site"):
        desk.begin(Wish("server-room-lost", ("registry",)))

    desk.begin(FAILOVER)

    assert [line for line in fake.log if line.startswith("restore")] == [
        f"restore registry on {AWAY}",
        f"restore notices on {AWAY}",
    ]
    with pytest.raises(RecoveryError, match="already at the DR site"):
        desk.begin(FAILOVER)


def test_a_verb_that_does_not_fit_names_those_that_do(desk: Desk) -> None:
    with pytest.raises(RecoveryError) as caught:
        desk.begin(Wish("failback"))
    assert caught.value.hint == "possible: netdr dr failover, netdr dr run"


def test_every_state_has_a_way_on() -> None:
    assert all(state.ALLOWED.values())


def test_what_another_controller_has_moved_is_not_taken_back_here(desk: Desk, fake: FakeWorld) -> None:
    away = {service.id: service.standby for service in fake.network.district.services}
    fake.placements.append(placement.home(fake.network.district).moved(away))
    assert desk.state == "committed"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("database-corrupted"), "needs a moment to go back to"),
        (Wish("service-lost", moment="2026-11-23T10:00:00"), "goes back to no moment"),
        (Wish("database-corrupted", moment="yesterday"), "'yesterday' is no moment"),
        (Wish("aggregation-lost"), "name the one site that is lost"),
        (Wish("device-replaced", ("nothing",)), "unknown device 'nothing'; known: "),
        (Wish("service-lost", ("mail",)), "unknown service 'mail'; known: notices, registry"),
    ],
)
def test_a_wish_that_does_not_fit_is_refused(desk: Desk, fake: FakeWorld, wish: Wish, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        desk.begin(wish)
    assert fake.log == []
    assert desk.past == ()


# ---- one at a time ----------------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from backup.recovery.alone import alone
with alone(Path(sys.argv[1]), "netdr dr failover"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_is_at_it_and_the_dead_hold_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "journal" / "recovery.lock"
    argv = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        told = rf"netdr dr failover, process {first.pid}, since 20"
        with pytest.raises(BusyError, match=told) as caught, alone(lock, "netdr dr undo"):
            pass
        assert caught.value.exit_code == 15
        first.kill()
        first.wait(10)
        with alone(lock, "netdr dr undo"):
            assert '"what": "netdr dr undo"' in lock.read_text()
