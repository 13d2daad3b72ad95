"""What platform.yaml and roles.yaml say, the templates on disk and the files a device keeps: the same."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest

from inventory import platforms
from inventory.platforms import platform, roles
from netdr.kernel.errors import InventoryError, RenderError


@pytest.mark.parametrize("name", platforms.known())
def test_every_feature_that_a_platform_has_is_a_template_in_one_file(name: str) -> None:
    spec = platform(name)
    able = {feature for feature, can in spec.capabilities.items() if can is True}
    assert {path.stem for path in spec.folder.glob("*.j2")} == able
    written = Counter(feature for file in spec.files.values() for feature in file.features)
    assert written == Counter(able)


@pytest.mark.parametrize("name", platforms.known())
def test_a_feature_that_a_platform_has_not_has_a_reason(name: str) -> None:
    reasons = [can for can in platform(name).capabilities.values() if can is not True]
    assert all(isinstance(reason, str) and " " in reason for reason in reasons)


@pytest.mark.parametrize("role", roles().roles)
def test_a_role_has_each_feature_once_and_those_of_day_0_in_the_same_order(role: str) -> None:
    features = roles().features(role)
    assert len(set(features)) == len(features)
    assert [feature for feature in features if feature in roles().day0] == list(roles().features(role, day0=True))
    assert set(features) <= set(platform("linux").capabilities)


@pytest.mark.parametrize("role", roles().roles)
def test_the_features_of_one_file_come_in_the_order_its_platform_names_them(role: str) -> None:
    for file in platform("linux").files.values():
        said = [feature for feature in roles().features(role) if feature in file.features]
        assert said == [feature for feature in file.features if feature in said]


def test_every_feature_is_wanted_by_some_role() -> None:
    wanted = {feature for role in roles().roles for feature in roles().features(role)}
    assert wanted == set(platform("linux").file_of)


def test_every_file_is_one_that_the_device_keeps() -> None:
    owned = importlib.import_module("nornir_tasks.drivers.linux_device").OWNED
    assert set(platform("linux").files) == set(owned)


def test_the_driver_can_be_loaded() -> None:
    module, _, name = platform("linux").driver.partition(":")
    assert hasattr(importlib.import_module(module), name)


def test_a_platform_like_another_says_the_same_and_is_not_offered() -> None:
    emulated, linux = platform("emulated"), platform("linux")
    assert emulated.template("bgp") == linux.template("bgp")
    assert emulated.driver != linux.driver
    assert "emulated" in platforms.known()
    assert platforms.ordinary() == ("linux",)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InventoryError, match=r"unknown platform 'linus'; known: .*linux"):
        platform("linus")
    with pytest.raises(RenderError, match="unknown role 'acces'; known: access, aggregation, core, dr"):
        roles().features("acces")
    with pytest.raises(RenderError, match=r"unknown feature 'bpg'; known: .*bgp"):
        platform("linux").template("bpg")


def test_what_a_platform_cannot_do_is_refused_with_its_reason() -> None:
    with pytest.raises(RenderError, match=r"platform linux cannot do 'ospf-hmac': .*RFC 5709"):
        platform("linux").template("ospf-hmac")


def test_ports_are_named_as_the_platform_says() -> None:
    assert platforms.port("linux", 1) == "swp1"
    assert platforms.port("server", 1) == "eth0"
