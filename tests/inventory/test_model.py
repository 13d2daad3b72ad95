from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from inventory import entry as scalars
from inventory import explain, load, model
from inventory.asset import Retention
from inventory.entry import Entry, span
from inventory.model import Site

DISTRICTS = [Path(__file__).parents[2] / "inventory" / "suxian", Path(__file__).parents[1] / "districts" / "linwu"]
ENTRIES = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, Entry)]


@pytest.mark.parametrize("kind", ENTRIES, ids=lambda kind: kind.__name__)
def test_every_entry_is_frozen_strict_and_refuses_unknown_keys(kind: type[Entry]) -> None:
    config = kind.model_config
    assert (config["frozen"], config["strict"], config["extra"]) == (True, True, "forbid")


def entries(value: object) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from entries(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from entries(item)


@pytest.mark.parametrize("folder", DISTRICTS, ids=lambda path: path.name)
def test_nothing_in_a_loaded_district_can_be_assigned(folder: Path) -> None:
    found = list(entries(load.district(folder)))
    assert {type(entry) for entry in found} >= {model.District, model.Unit, model.Vlan, model.Ospf, Retention}
    for entry in found:
        name = next(iter(type(entry).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(entry, name, None)


@pytest.mark.parametrize(
    ("seconds", "written"), [(45, "45s"), (90, "90s"), (120, "2m"), (7200, "2h"), (5400, "90m"), (86400, "1d")]
)
def test_a_span_is_written_in_the_largest_unit_that_fits(seconds: int, written: str) -> None:
    assert span(seconds) == written


def test_every_pattern_of_the_model_has_a_phrase() -> None:
    """A mistake must be told in words, never as a regular expression."""
    patterns = {value for name, value in vars(scalars).items() if name.endswith("_PATTERN")}
    assert patterns == set(explain.PHRASES)


def test_an_entry_that_is_no_mapping_is_explained() -> None:
    with pytest.raises(ValidationError) as caught:
        Site.model_validate(("a", "b"))
    assert [mistake.what for mistake in explain.mistakes(Site, caught.value)] == [
        "a list is not a mapping (key: value)"
    ]
