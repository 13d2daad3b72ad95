"""Checks the operator brings."""

from __future__ import annotations

import time
from ipaddress import IPv4Address

import pytest

from netdr.kernel.errors import VerifyError
from nornir_tasks import verify


def test_a_check_that_succeeds_says_nothing() -> None:
    verify.command("echo all well", 10, lambda: False)


def test_a_check_that_fails_is_quoted() -> None:
    with pytest.raises(VerifyError, match="exit 3 / portal does not answer"):
        verify.command("echo portal does not answer >&2; exit 3", 10, lambda: False)


@pytest.mark.parametrize(("limit", "stopped"), [(0.1, False), (60, True)])
def test_a_check_ends_with_all_it_started(limit: float, stopped: bool) -> None:
    start = time.monotonic()
    with pytest.raises(VerifyError, match="SIGKILL"):
        verify.command("sleep 61 & sleep 61; wait", limit, lambda: stopped)
    assert time.monotonic() - start < 5


def test_lines_too_many_and_too_few_are_told_apart() -> None:
    assert verify.not_as_intended("a\nx\n", "a\nb\n").split("\n") == ["- b", "+ x"]
    assert verify.not_as_intended("a\n", "a\n") == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("neighbor 10.0.0.1", True),
        ("10.0.0.1/31\n", True),
        ("address 10.0.0.11\n", False),
        ("110.0.0.1 10.0.0.1.5", False),
        ("10.0.0.12 then 10.0.0.1", True),
        ("", False),
    ],
)
def test_an_address_is_mentioned_as_a_whole_only(text: str, found: bool) -> None:
    assert verify._mentions(text, IPv4Address("10.0.0.1")) is found
