"""Plans as they are written: what is read, what is refused, what lint finds."""

from pathlib import Path

import pytest

from backup.recovery import lint, scenario
from backup.recovery.deeds import DEEDS
from backup.recovery.scenario import SHIPPED, Scenario
from inventory import load
from inventory.model import District
from netdr.kernel.errors import Problems, UsageError

ROOT = Path(__file__).parents[3]
DISTRICTS = (ROOT / "inventory/suxian", ROOT / "tests/districts/linwu")
GOOD = (SHIPPED / "server-room-lost.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def district() -> District:
    return load.district(DISTRICTS[0])


def written(folder: Path, text: str, name: str = "server-room-lost") -> Scenario:
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return scenario.load_all(folder)[name]


def mistakes(found: Scenario, district: District) -> list[str]:
    return [str(one) for one in lint.lint(found, district).mistakes]


@pytest.mark.parametrize("folder", DISTRICTS, ids=lambda path: path.name)
def test_nothing_is_wrong_with_what_is_shipped(folder: Path) -> None:
    district = load.district(folder)
    for found in scenario.load_all().values():
        assert lint.lint(found, district).mistakes == (), found.id


def test_the_shipped_limits_keep_the_promises_of_the_example_district(district: District) -> None:
    """Its tier 1 promises 30 minutes."""
    assert [found.id for found in scenario.load_all().values() if lint.lint(found, district).warnings] == []


def test_every_scenario_of_the_handbook_is_there() -> None:
    assert set(scenario.load_all()) == {
        "server-room-lost",
        "service-lost",
        "database-corrupted",
        "ransomware",
        "dr-site-lost",
        "aggregation-lost",
        "uplink-lost",
        "device-replaced",
        "failback",
    }


def test_every_action_is_used_by_a_shipped_plan_and_says_why_it_may_be_repeated() -> None:
    steps = [step for found in scenario.load_all().values() for step in found.written.steps]
    assert {step.does for step in steps} | {step.undo for step in steps if step.undo} == set(DEEDS)
    assert all(deed.again for deed in DEEDS.values())


def test_a_step_is_repeated_for_each_service_and_needs_the_same_ones() -> None:
    plan = scenario.load_all()["server-room-lost"].plan(["cases", "files"])
    steps = {step.id: step for step in plan.steps}

    assert steps["start:cases"].needs == ("restore:cases", "fence")
    assert steps["verify:cases"].needs == ("start:cases", "switch")
    assert steps["start:cases"].title.en == "start cases at the DR site"
    assert steps["start:cases"].title.zh == "在容灾站点启动 cases"
    assert steps["start:cases"].service == "cases"


def test_the_district_s_own_plan_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    found = written(tmp_path, GOOD.replace("limit: 20m", "limit: 3h"))
    restore = next(step for step in found.plan(["cases"]).steps if step.id == "restore:cases")
    assert restore.limit == 3 * 3600
    assert "failback" in scenario.load_all(tmp_path)


def test_all_mistakes_of_form_come_at_once_with_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace("phase: detect", "phase: wait", 1).replace("limit: 5m", "limit: 5m\n    speed: 3")
    (tmp_path / "server-room-lost.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "other.yaml").write_text("title: {zh: 无, en: none}\n", encoding="utf-8")

    with pytest.raises(Problems) as caught:
        scenario.load_all(tmp_path)

    line = text.splitlines().index("    speed: 3") + 1
    told = caught.value.report()
    assert f"{tmp_path}/server-room-lost.yaml:7: " in told
    assert "phase: unknown value 'wait'; known: decide, detect, fence, fetch, start, switch, tidy, verify" in told
    assert f"{tmp_path}/server-room-lost.yaml:{line}: " in told
    assert "unknown key 'speed'; known: after, before" in told
    assert f"{tmp_path}/other.yaml:1: " in told


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("does: announce\n", "does: announcing\n", "unknown action 'announcing'; known: announce"),
        ("undo: stop-away", "undo: stopp", "unknown action 'stopp'"),
        ("after: [main-still-lost]", "after: [sun]", "unknown check 'sun'; known: main-still-lost"),
        ("needs: [restore, fence]", "needs: [restore, fences]", "unknown step 'fences'; known: decide"),
        ("    undo: announce-back\n", "", "'switch' changes something and has no way back"),
        (
            "needs: [decide]\n    limit: 20m",
            "needs: [detect]\n    limit: 20m",
            "'restore' changes something before any",
        ),
        ("    decides: person\n", "", "'decide' decides, but it does not say who"),
        ("needs: [start, switch]", "needs: [start]", "'switch' changes something that no later step needs"),
        ("needs: [detect]", "needs: [switch]", "steps wait for each other"),
        ("does: use\n", "does: person\n", "'verify' does not say what the person has to do"),
    ],
)
def test_lint_finds(tmp_path: Path, district: District, old: str, new: str, words: str) -> None:
    assert GOOD.count(old) >= 1
    found = mistakes(written(tmp_path, GOOD.replace(old, new)), district)
    assert [one for one in found if words in one], found
    assert all(f"{tmp_path}/server-room-lost.yaml:" in one for one in found)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("server-room-lost", ("does: main-lost", "does: main-whole"), "'record' without main-lost before it"),
        ("server-room-lost", ("needs: [restore, fence]", "needs: [restore]"), "'start-away' without record before it"),
        ("server-room-lost", ("needs: [restore, fence]", "needs: [fence]"), "'start-away' without restore before it"),
        ("server-room-lost", ("needs: [fence]", "needs: [decide]"), "'announce' without record before it"),
        ("server-room-lost", ("moves: away", "moves: nowhere"), "'record', which has no place in a plan that moves"),
        ("server-room-lost", ("does: start-away", "does: start-home"), "'start-home', which has no place"),
        ("failback", ("needs: [freeze]", "needs: [withdraw]"), "'carry-home' without stop-away before it"),
        ("failback", ("does: main-whole", "does: main-lost"), "'stop-away' without main-whole before it"),
    ],
)
def test_lint_finds_a_plan_that_could_make_two_active_sites(
    tmp_path: Path, district: District, name: str, change: tuple[str, str], words: str
) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.count(change[0]) == 1
    found = mistakes(written(tmp_path, text.replace(*change), name), district)
    assert [one for one in found if words in one], found


def test_limits_that_allow_more_than_the_promise_are_a_warning(tmp_path: Path, district: District) -> None:
    """The sum by hand: detect 60 + restore 3600 + start 120 + verify 60 = 3840 s; tier 1 promises 30 m."""
    found = lint.lint(written(tmp_path, GOOD.replace("limit: 20m", "limit: 60m")), district)
    assert found.mistakes == ()
    tier_1 = [service.id for service in district.services if service.protection == "tier-1"]
    assert [one.what for one in found.warnings] == [f"the limits allow {name} to be away for 64m" for name in tier_1]
    assert "promised: 30m; the longest way: detect → decide → restore:" in found.warnings[0].why


def test_a_policy_needs_a_quorum_to_decide(tmp_path: Path, district: District) -> None:
    found = written(tmp_path, GOOD.replace("decides: person", "decides: policy"))
    few = district.model_copy(update={"units": district.units[:2]})
    assert mistakes(found, district) == []
    assert "a quorum needs 3 units that can be asked; the district has 2" in mistakes(found, few)[0]


def test_an_unknown_scenario_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown scenario 'fire'; known: aggregation-lost, database-corrupted"):
        scenario.named(scenario.load_all(), "fire")
