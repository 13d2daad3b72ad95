import pytest
from hypothesis import given
from hypothesis import strategies as st

from nornir_tasks.patch.vlans import members_of, read, written


@pytest.mark.parametrize(
    ("text", "vlans"),
    [
        ("69,381", {69, 381}),
        ("10,20-22", {10, 20, 21, 22}),
        ("10 20 to 22 4094", {10, 20, 21, 22, 4094}),
        ("none", set()),
        ("all", set(range(1, 4095))),
    ],
)
def test_both_ways_to_write_are_read(text: str, vlans: set[int]) -> None:
    assert read(text) == vlans


@pytest.mark.parametrize("text", ["", "except 5", "add 5", "10,", "a"])
def test_other_words_are_no_set(text: str) -> None:
    assert read(text) is None


@given(st.sets(st.integers(1, 4094)), st.sampled_from([(",", "-"), (" ", " to ")]))
def test_what_is_written_reads_back(vlans: set[int], style: tuple[str, str]) -> None:
    joint, span = style
    assert (read(joint.join(written(vlans, span))) or set()) == vlans


def test_three_in_a_row_are_one_item() -> None:
    assert written({1, 2, 3, 5, 6}, "-") == ["1-3", "5", "6"]


def test_a_command_of_another_form_names_no_members() -> None:
    assert members_of("undo vlan batch {}", "vlan batch 10") is None
    assert members_of("undo vlan batch {}", "undo vlan batch 10") == {10}
