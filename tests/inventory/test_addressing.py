from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import load
from inventory import record as records
from inventory.addressing import EMPTY, Record, allocate, changes
from inventory.check import RECORD_CHECKS, RECORD_WARNINGS
from inventory.entry import Name
from inventory.model import District, Unit, Vlan
from netdr.kernel.errors import InventoryError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"


@cache
def linwu() -> District:
    return load.district(LINWU)


def having(units: Sequence[Unit]) -> District:
    return linwu().model_copy(update={"units": tuple(units)})


VLANS = st.lists(st.tuples(st.sampled_from(["desk", "ledger"]), st.integers(26, 30)), min_size=1, max_size=3).map(
    lambda found: tuple(
        Vlan(id=10 + n, name=f"v{n}", zone=zone, prefixlen=length) for n, (zone, length) in enumerate(found)
    )
)
UPLINKS = st.sampled_from([("hub", "ring-n"), ("ring-s", "hub"), ("ring-n", "ring-l"), ("ring-l", "ring-s")])


@st.composite
def unit_lists(draw: st.DrawFn) -> list[Unit]:
    numbers = draw(st.lists(st.integers(0, 99), max_size=7, unique=True))
    return [
        Unit(id=f"u{n}", name=Name(zh="甲", en="A"), user_class="plain", uplinks=draw(UPLINKS), vlans=draw(VLANS))
        for n in numbers
    ]


def entries(record: Record) -> dict[str, str]:
    return {entry: new for entry, _, new in changes(EMPTY, record)}


def prefixes(record: Record) -> list[IPv4Network]:
    singles = [IPv4Network(address) for address in (*record.loopbacks.values(), *record.services.values())]
    return [*singles, *record.links.values(), *record.nets.values()]


@given(unit_lists(), st.data())
@settings(max_examples=60, deadline=None)
def test_adding_units_anywhere_renumbers_nobody(units: list[Unit], data: st.DataObject) -> None:
    some = [unit for unit in units if data.draw(st.booleans())]
    before = allocate(having(some))
    after = allocate(having(data.draw(st.permutations(units))), before)
    assert entries(before).items() <= entries(after).items()


@given(unit_lists(), st.data())
@settings(max_examples=60, deadline=None)
def test_removing_units_renumbers_nobody_and_leaves_nothing_behind(units: list[Unit], data: st.DataObject) -> None:
    before = allocate(having(units))
    rest = having([unit for unit in units if data.draw(st.booleans())])
    after = allocate(rest, before)
    assert entries(after).items() <= entries(before).items()
    assert [finding for check in (*RECORD_CHECKS, *RECORD_WARNINGS) for finding in check(rest, after)] == []


@given(st.lists(unit_lists(), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_nothing_overlaps_after_any_history(history: list[list[Unit]]) -> None:
    record = None
    for units in history:
        # A unit that comes back with other networks is another unit: its record would ask for another length.
        kept = {unit.id for unit in units}
        record = allocate(having([]), record) if record else None
        record = allocate(having(units), record)
        assert not any(one.overlaps(other) for one, other in combinations(prefixes(record), 2))
        assert all(len(set(ports.values())) == len(ports) for ports in record.ports.values())
        assert {name.partition("/")[0] for name in record.nets} == kept
        assert [finding for check in RECORD_CHECKS for finding in check(having(units), record)] == []


@given(unit_lists())
@settings(max_examples=30, deadline=None)
def test_allocation_is_deterministic_and_stable(units: list[Unit]) -> None:
    district = having(units)
    record = allocate(district)
    assert allocate(district) == record
    assert allocate(district, record) == record


def test_a_pinned_port_is_where_people_put_it_and_others_give_way() -> None:
    record = allocate(linwu())
    # devices.yaml pins swp7 and swp8; the two hosts take the lowest that are left.
    assert dict(record.ports["cave-gw"]) == {
        "cave-gw--ring-n": "swp7",
        "cave-gw--ring-l": "swp8",
        "cave-gw--warden-b": "swp1",
        "cave-gw--store-b": "swp2",
    }


def test_a_freed_address_is_the_next_to_be_given() -> None:
    units = linwu().units
    without = allocate(having(units[1:]), allocate(linwu()))
    fresh = units[0].model_copy(update={"id": "tannery"})
    after = allocate(having([*units[1:], fresh]), without)
    # 192.168.251.6 was treasury's: five devices come first.
    assert str(after.loopbacks["acc-tannery"]) == "192.168.251.6"


def test_a_full_pool_is_an_inventory_error() -> None:
    plan = linwu().settings.addresses.model_copy(update={"loopbacks": IPv4Network("192.168.251.0/28")})
    tight = linwu().settings.model_copy(update={"addresses": plan})
    with pytest.raises(InventoryError, match="the pool of loopbacks is full"):
        allocate(linwu().model_copy(update={"settings": tight}))


def test_changes_names_what_came_went_and_moved() -> None:
    before = Record({}, {}, {}, {}, {"a": {"x": "swp1", "y": "swp2"}})
    after = Record({}, {}, {}, {"u/1": IPv4Network("10.0.0.0/26")}, {"a": {"x": "swp3"}})
    assert changes(before, after) == (
        ("nets u/1", "", "10.0.0.0/26"),
        ("ports a x", "swp1", "swp3"),
        ("ports a y", "swp2", ""),
    )


def test_the_record_survives_its_file(tmp_path: Path) -> None:
    record = allocate(linwu())
    records.write(tmp_path, record)
    assert records.read(tmp_path).value == record


@pytest.mark.timeout(30)
def test_ten_thousand_switches_get_an_address_each() -> None:
    """Half a second on the reference machine; an allocation that compares all with all would take many minutes."""
    names = Name(zh="甲", en="A")
    vlan = Vlan(id=10, name="v", zone="desk", prefixlen=29)
    units = [
        Unit(id=f"u{n}", name=names, user_class="plain", uplinks=("hub", "ring-n"), vlans=(vlan,))
        for n in range(10_000)
    ]
    pools = {"loopbacks": IPv4Network("10.0.0.0/16"), "links": IPv4Network("10.1.0.0/16")}
    zones = {"desk": IPv4Network("10.2.0.0/15"), "ledger": IPv4Network("10.4.0.0/16")}
    plan = linwu().settings.addresses.model_copy(update={**pools, "zones": zones})
    large = having(units).model_copy(update={"settings": linwu().settings.model_copy(update={"addresses": plan})})
    record = allocate(large)
    assert len(set(record.loopbacks.values())) == len(record.loopbacks) == 10_010
