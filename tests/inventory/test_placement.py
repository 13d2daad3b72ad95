from __future__ import annotations

from pathlib import Path

import pytest

from inventory import load, placement
from inventory.model import District
from netdr.kernel.errors import InventoryError


@pytest.fixture(scope="module")
def district() -> District:
    return load.district(Path(__file__).parents[1] / "districts/linwu")


def test_without_a_file_every_service_is_at_home(tmp_path: Path, district: District) -> None:
    assert placement.load(tmp_path, district) == placement.Placement(0, {"registry": "hall", "notices": "hall"})


def test_what_is_saved_is_loaded(tmp_path: Path, district: District) -> None:
    moved = placement.home(district).moved({"registry": "cave"})
    placement.save(tmp_path, moved)
    assert (
        placement.load(tmp_path, district) == moved == placement.Placement(1, {"registry": "cave", "notices": "hall"})
    )
    assert [path.name for path in tmp_path.iterdir()] == [placement.FILE]


def test_a_service_that_is_new_is_at_home(tmp_path: Path, district: District) -> None:
    (tmp_path / placement.FILE).write_text('{"epoch": 4, "active": {"registry": "cave"}}')
    assert placement.load(tmp_path, district) == placement.Placement(4, {"registry": "cave", "notices": "hall"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ('{"epoch": "1", "active": {}}', "damaged"),
        ('{"epoch": 1, "active": ["registry"]}', "damaged"),
        ('{"epoch": 1, "active": {"mail": "hall"}}', "unknown service 'mail'; known: notices, registry"),
        ('{"epoch": 1, "active": {"notices": "moon"}}', "unknown site 'moon'; known: cave, hall, lake, north, south"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path, district: District, text: str, words: str) -> None:
    (tmp_path / placement.FILE).write_text(text)
    with pytest.raises(InventoryError) as caught:
        placement.load(tmp_path, district)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
