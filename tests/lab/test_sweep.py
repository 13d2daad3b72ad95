"""Single failures of the second district. Who survives what was read off its drawing by hand.

hub holds warden (the controller) and store (the services); cave-gw holds store-b and has lines to ring-n and ring-l.
mill: ring-n and hub · ferry: ring-l only · market: ring-l and ring-s. ferry and quarry may use notices only.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from lab.sweep import Failure, Finding, SinglePoint, Use, failures, judged, surviving, swept, touched, uses
from netdr.kernel.errors import UsageError

AT_HOME = {"registry": "hall", "notices": "hall"}
MOVED = {"registry": "cave", "notices": "cave"}


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[1] / "districts/linwu")


def lost(network: Network, placement: dict[str, str], failure: Failure) -> set[str]:
    wanted = touched(failure, uses(network, "warden"))
    return {f"{use.source}>{use.target}" for use in set(wanted) - surviving(network, placement, failure, wanted)}


def test_all_are_all_links_then_all_devices(network: Network) -> None:
    found = failures(network, ["all"])
    assert [item.kind for item in found] == ["link"] * 28 + ["device"] * 13
    assert found[0] == Failure("link", "hub--ring-n")


def test_a_link_may_be_named_from_either_end(network: Network) -> None:
    assert failures(network, ["ring-n--hub", "acc-mill"]) == (
        Failure("link", "hub--ring-n"),
        Failure("device", "acc-mill"),
    )
    assert len(failures(network, ["links"])) == 28
    assert failures(network, []) == ()


def test_an_unknown_name_is_refused_with_the_known_ones(network: Network) -> None:
    with pytest.raises(
        UsageError, match=r"unknown link or device 'ring-x'; known: acc-archive, .*, all, .*hub--ring-n"
    ):
        failures(network, ["ring-x"])


def test_units_use_what_the_policy_lets_them_and_the_controller_reaches_all(network: Network) -> None:
    found = uses(network, "warden")
    assert sum(use.kind == "device" for use in found) == 13
    services = {(use.source, use.target) for use in found if use.kind == "service"}
    assert {service for unit, service in services if unit == "ferry"} == {"notices"}
    assert {service for unit, service in services if unit == "mill"} == {"notices", "registry"}
    # Eight units, of which six may use the registry.
    assert len(services) == 14


def test_a_line_of_a_unit_with_two_costs_nothing(network: Network) -> None:
    assert lost(network, AT_HOME, Failure("link", "acc-mill--hub")) == set()


def test_the_only_line_of_a_unit_costs_it_everything(network: Network) -> None:
    assert lost(network, AT_HOME, Failure("link", "acc-ferry--ring-l")) == {"ferry>notices", "warden>acc-ferry"}


def test_a_device_takes_with_it_who_has_no_other_way_but_not_itself(network: Network) -> None:
    assert lost(network, AT_HOME, Failure("device", "ring-l")) == {"ferry>notices", "warden>acc-ferry"}
    assert lost(network, AT_HOME, Failure("device", "acc-mill")) == {"mill>notices", "mill>registry"}


def test_the_way_goes_to_where_the_service_is(network: Network) -> None:
    core = Failure("device", "hub")
    at_home, moved = lost(network, AT_HOME, core), lost(network, MOVED, core)
    assert len({item for item in at_home if not item.startswith("warden")}) == 14
    assert not {item for item in moved if not item.startswith("warden")}
    # The controller hangs on hub in both cases.
    assert len({item for item in moved if item.startswith("warden")}) == 12


def test_what_is_lost_is_a_finding_if_there_is_a_way_and_a_single_point_if_there_is_none() -> None:
    line = Failure("link", "a--b")
    kept, broken, honest = (Use("service", unit, "notices") for unit in ("mill", "market", "ferry"))
    findings, point = judged(line, [kept, broken, honest], {kept, broken}, {kept})
    assert findings == (Finding(line, broken),)
    assert point == SinglePoint(line, (honest,))
    assert findings[0].as_dict() == {"failure": "a--b", "kind": "link", "unit": "market", "service": "notices"}


def test_a_failure_that_costs_nothing_is_neither() -> None:
    use = Use("device", "warden", "hub")
    assert judged(Failure("link", "a--b"), [use], {use}, {use}) == ((), None)


def test_a_report_counts_what_was_tried_and_lists_what_was_lost() -> None:
    line, device = Failure("link", "a--b"), Failure("device", "c")
    point = SinglePoint(device, (Use("service", "ferry", "notices"), Use("device", "warden", "acc-ferry")))
    report = swept([(line, (), None), (device, (Finding(device, Use("device", "warden", "hub")),), point)]).as_dict()
    assert report == {
        "links": 1,
        "devices": 1,
        "findings": [{"failure": "c", "kind": "device", "controller": "warden", "device": "hub"}],
        "single_points": [
            {"name": "c", "kind": "device", "units": {"ferry": ["notices"]}, "devices": ["acc-ferry"]},
        ],
    }
