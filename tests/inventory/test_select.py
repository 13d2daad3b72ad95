from __future__ import annotations

from pathlib import Path

import pytest

from inventory import load
from inventory.network import Network
from inventory.select import select
from netdr.kernel.errors import UsageError


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(Path(__file__).parents[1] / "districts/linwu")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("hub", "hub"),
        ("role:aggregation", "ring-n ring-s ring-l"),
        ("site:lake", "ring-l"),
        ("unit:ferry", "acc-ferry"),
        ("ring-?", "ring-n ring-s ring-l"),
        ("ring-?,!ring-s", "ring-n ring-l"),
        ("acc-mill, hub", "hub acc-mill"),
        ("!role:access", "hub ring-n ring-s ring-l cave-gw"),
        ("!acc-*,!ring-[ns]", "hub ring-l cave-gw"),
    ],
)
def test_expressions(network: Network, expression: str, expected: str) -> None:
    assert select(network.devices, expression) == tuple(expected.split())


def test_no_expression_is_all(network: Network) -> None:
    assert len(select(network.devices, "")) == len(network.devices) == 13


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("core-9", "unknown device 'core-9'; known: acc-archive, acc-clinic"),
        ("acc-x*", "unknown device 'acc-x*'"),
        ("role:border", "unknown role 'border'; known: access, aggregation, core, dr"),
        ("unit:none", "unknown unit 'none'; known: archive, clinic"),
        ("colour:red", "unknown kind of selection 'colour'; known: role, site, unit"),
        ("hub,!hub", "leaves no device"),
        ("!nobody", "unknown device 'nobody'"),
    ],
)
def test_what_matches_nothing_is_refused(network: Network, expression: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(network.devices, expression)
    assert words in str(caught.value)
