"""Levels by hand from the tables of GB/T 20988: what a service may call itself, and what keeps it from more."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from backup.recovery.report.figures import ServiceFigures
from backup.recovery.report.rating import Rating, data_level, figures_level, rate
from backup.recovery.report.standard import Standard, editions
from inventory import load
from inventory.asset import Protection, Service
from inventory.model import District, Element

MINUTE, HOUR, DAY = 60, 3600, 86400
ALL_SIX = get_args(Element)


@pytest.fixture(scope="module")
def suxian() -> District:
    return load.district(Path(__file__).parents[3] / "inventory" / "suxian")


def edition(year: int) -> Standard:
    return next(standard for standard in editions() if standard.edition == year)


def measured(rto: float, rpo: float | None) -> ServiceFigures:
    return ServiceFigures(rto, DAY, rpo, DAY, "")


def of(district: District, name: str) -> tuple[Service, Protection]:
    service = next(service for service in district.services if service.id == name)
    return service, next(policy for policy in district.protections if policy.id == service.protection)


def test_both_editions_have_six_levels_and_seven_elements() -> None:
    assert [standard.edition for standard in editions()] == [2007, 2025]
    for standard in editions():
        assert [level.level for level in standard.levels] == [1, 2, 3, 4, 5, 6]
        assert [element.id for element in standard.elements] == ["data", *ALL_SIX]


def test_nothing_of_the_new_edition_is_called_confirmed() -> None:
    assert not any(level.confirmed for level in edition(2025).levels)


@pytest.mark.parametrize(
    ("year", "rto", "rpo", "level"),
    [
        (2007, 10, 0.0, 6),
        (2007, 10, None, 6),  # nothing was restored, nothing was lost
        (2007, 10, 0.1, 5),
        (2007, 10, 30 * MINUTE, 5),
        (2007, 10, 31 * MINUTE, 4),
        (2007, 3 * HOUR, 10, 5),
        (2025, 3 * HOUR, 10, 4),
        (2025, 13 * HOUR, 10, 3),
        (2025, 25 * HOUR, 10, 2),
        (2007, 3 * DAY, HOUR, 3),
        (2007, 10, 2 * DAY, 2),
        (2007, 10, 8 * DAY, 0),
    ],
)
def test_the_level_that_a_runs_figures_keep(year: int, rto: float, rpo: float | None, level: int) -> None:
    assert figures_level(edition(year), measured(rto, rpo)) == level


@pytest.mark.parametrize(
    ("name", "changes", "level"),
    [
        ("approval", {}, 5),  # one database, streamed: never 6, as nobody waits for the standby
        ("emergency", {}, 4),  # its files go in batches
        ("credit", {}, 4),  # every 12 hours: twice a day
        ("credit", {"every": 13 * HOUR}, 2),  # once a day is not several times
        ("credit", {"every": 2 * DAY}, 2),
        ("credit", {"every": 8 * DAY}, 0),
    ],
)
def test_the_level_of_the_data_element(suxian: District, name: str, changes: dict[str, int], level: int) -> None:
    service, policy = of(suxian, name)
    assert data_level(edition(2007), service, policy.model_copy(update=changes)) == level


def rated(suxian: District, name: str, declared: dict[str, int]) -> Rating:
    return rate(edition(2007), *of(suxian, name), measured(20, 2), declared)


def test_the_rating_is_the_least_of_all_elements(suxian: District) -> None:
    found = rated(suxian, "approval", dict.fromkeys(ALL_SIX, 6) | {"support": 3})
    assert (found.level, found.most) == (3, 3)
    assert [reason.en for reason in found.reasons] == ["technical support reaches level 3"]


def test_what_is_not_declared_is_unknown_and_never_assumed(suxian: District) -> None:
    found = rated(suxian, "approval", {"plan": 5})
    assert (found.level, found.most) == (None, 5)
    assert found.reached["support"] is None
    told = [reason.en for reason in found.reasons]
    assert told[-1].startswith("not declared: standby processing, standby network, infrastructure, technical support,")
    assert "data backup reaches level 5: nothing may be lost: that takes synchronous replication" in told
    assert "2.0 s of data were lost, none may be" in told
