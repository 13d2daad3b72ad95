"""Identical changes are told once, and filling a pattern's holes gives back exactly what each device gets."""

from __future__ import annotations

from inventory.network import Network
from nornir_tasks.diff import unified
from nornir_tasks.grouping import compared, groups, parameters


def diffs(texts: dict[str, str]) -> dict[str, str]:
    return {device: unified("", text) for device, text in texts.items()}


def test_devices_that_differ_in_their_own_values_are_one_group() -> None:
    found = groups(
        diffs({"a": "hostname a\nrouter-id 10.0.0.1\n", "b": "hostname b\nrouter-id 10.0.0.2\n"}),
        {"a": {"id": "a", "loopback": "10.0.0.1"}, "b": {"id": "b", "loopback": "10.0.0.2"}},
    )
    assert [group.devices for group in found] == [("a", "b")]
    assert found[0].parameters == ("id", "loopback")
    assert "+hostname ⟨id⟩\n+router-id ⟨loopback⟩\n" in found[0].pattern
    assert found[0].values == {"a": {"id": "a", "loopback": "10.0.0.1"}, "b": {"id": "b", "loopback": "10.0.0.2"}}


def test_a_parameter_that_is_the_same_everywhere_is_no_hole() -> None:
    values = {"a": {"id": "a", "near": "core-1"}, "b": {"id": "b", "near": "core-1"}}
    found = groups(diffs({"a": "to core-1\n", "b": "to core-1\n"}), values)
    assert found[0].parameters == ()
    assert "+to core-1\n" in found[0].pattern


def test_a_value_counts_only_where_it_stands_alone() -> None:
    values = {"a": {"loopback": "10.0.0.1", "id": "core-1"}, "b": {"loopback": "10.0.0.2", "id": "core-2"}}
    found = groups(
        diffs({"a": "10.0.0.10 core-10 x-core-1 10.0.0.1.\n", "b": "10.0.0.20 core-20 x-core-2 10.0.0.2.\n"}), values
    )
    assert [group.devices for group in found] == [("a",), ("b",)]


def test_where_in_a_file_a_change_is_makes_no_difference() -> None:
    found = groups({"a": unified("x\nb\n", "x\nc\n"), "b": unified("x\nx\nx\nx\nx\nb\n", "x\nx\nx\nx\nx\nc\n")}, {})
    assert [len(group.devices) for group in found] == [1, 1]  # the context differs
    found = groups(
        {"a": unified("x\n" * 5 + "b\n", "x\n" * 5 + "c\n"), "b": unified("x\n" * 9 + "b\n", "x\n" * 9 + "c\n")}, {}
    )
    assert [group.devices for group in found] == [("a", "b")]


def test_an_exception_is_told_by_what_is_different() -> None:
    same = "".join(f"line {number}\n" for number in range(20))
    found = groups(diffs({"a": same, "b": same, "c": same + "one more\n"}), {})
    assert [group.devices for group in found] == [("a", "b"), ("c",)]
    like = compared(found[1], found[:1])
    assert like is not None
    assert (like[0].devices, like[1]) == (("a", "b"), " +line 19\n++one more\n")


def test_nothing_in_common_is_told_in_full() -> None:
    found = groups(diffs({"a": "one\n", "b": "two\n"}), {})
    assert compared(found[1], found[:1]) is None


def test_filling_the_holes_gives_every_devices_own_diff(linwu: Network) -> None:
    """With every parameter of a real district in the text, and texts that are made from the same pattern."""
    devices = [node.id for node in linwu.devices if node.role == "access" and len(linwu.wires_of(node.id)) == 2]
    values = {device: parameters(linwu, device) for device in devices}
    common = set.intersection(*({*values[device]} for device in devices))
    texts = {d: "".join(f"{name} {values[d][name]};\n" for name in sorted(common)) for d in devices}
    found = groups(diffs(texts), values)
    assert sorted(device for group in found for device in group.devices) == sorted(devices)
    for group in found:
        for device in group.devices:
            filled = group.pattern
            for name, value in group.values[device].items():
                filled = filled.replace(f"⟨{name}⟩", value)
            added = [line[1:] for line in filled.split("\n")[3:-1]]
            assert "".join(f"{line}\n" for line in added) == texts[device]


def test_a_secret_derived_for_each_device_is_a_hole_and_a_shared_one_is_not() -> None:
    texts = {"a": "key <ospf fp:11>\nuser <secret fp:aa>\n", "b": "key <ospf fp:11>\nuser <secret fp:bb>\n"}
    found = groups(diffs(texts), {})
    assert [group.devices for group in found] == [("a", "b")]
    assert "+key <ospf fp:11>\n+user ⟨secret1⟩\n" in found[0].pattern
    assert found[0].values["b"] == {"secret1": "<secret fp:bb>"}
    assert len(groups(diffs({**texts, "c": texts["a"].replace("11", "12")}), {})) == 2
