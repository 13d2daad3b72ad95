from ipaddress import IPv4Network

import pytest

from inventory.pool import Pool
from netdr.kernel.errors import InventoryError


def pool(prefix: str, *kept: str) -> Pool:
    made = Pool("things", IPv4Network(prefix))
    for taken in kept:
        made.keep(IPv4Network(taken))
    return made


def take(made: Pool, *lengths: int) -> list[str]:
    return [str(made.take(length, "x")) for length in lengths]


def test_single_addresses_begin_after_the_network_address() -> None:
    assert take(pool("192.0.2.0/29"), 32, 32) == ["192.0.2.1/32", "192.0.2.2/32"]


def test_the_lowest_free_prefix_is_taken_and_gaps_are_filled() -> None:
    # /26 at .0; /28 follows at .64; the next /26 must be aligned, so at .128; the next /28 goes back to .80.
    assert take(pool("192.0.2.0/24"), 26, 28, 26, 28) == [
        "192.0.2.0/26",
        "192.0.2.64/28",
        "192.0.2.128/26",
        "192.0.2.80/28",
    ]


def test_what_is_kept_is_stepped_over() -> None:
    made = pool("192.0.2.0/28", "192.0.2.0/31", "192.0.2.4/31")
    assert take(made, 31, 31) == ["192.0.2.2/31", "192.0.2.6/31"]


def test_what_is_kept_elsewhere_does_not_matter() -> None:
    assert take(pool("192.0.2.0/28", "198.51.100.0/24"), 28) == ["192.0.2.0/28"]


def test_a_kept_prefix_larger_than_the_pool_fills_it() -> None:
    with pytest.raises(InventoryError, match="full"):
        pool("192.0.2.0/28", "192.0.0.0/16").take(31, "x")


def test_a_full_pool_says_whose_it_is_and_what_to_do() -> None:
    made = pool("192.0.2.0/30")
    assert take(made, 31, 31) == ["192.0.2.0/31", "192.0.2.2/31"]
    with pytest.raises(InventoryError) as caught:
        made.take(31, "a--b")
    assert caught.value.report() == (
        "the pool of things is full: 192.0.2.0/30 has no /31 left for 'a--b'\n"
        "  hint: make the pool larger in district.yaml"
    )
