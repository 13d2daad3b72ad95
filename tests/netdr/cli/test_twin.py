"""What an operator and a program are told about a trial on the twin, and how the options fit together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inventory import secrets
from inventory.placement import home
from inventory.policy import Cell
from lab.loss import Loss
from lab.matrix import Observation
from lab.sweep import Failure, Finding, SinglePoint, Swept, Use
from netdr.cli import config, twintext
from netdr.cli.context import Context
from netdr.cli.twin import Trial, rendered
from netdr.kernel.errors import Problems, UsageError
from netdr.kernel.language import Language
from nornir_tasks import render
from nornir_tasks.plan import Observed, Plan, Setting, make

LINWU = Path(__file__).parents[2] / "districts/linwu"
PERMIT = Cell("host-clinic", "notices", "192.168.250.2", "tcp/80", "permit", "all-read-notices")
DONE = {"result": "done", "changed": ["acc-mill"], "problems": []}
LINE = Failure("link", "acc-mill--hub")
QUIET = Swept((LINE,), (), ())


def trial(
    deploy: Mapping[str, Any] = DONE,
    loss: Mapping[str, Loss] | None = None,
    observations: tuple[Observation, ...] | None = (Observation(PERMIT, passed=True),),
    swept: Swept | None = None,
) -> Trial:
    return Trial("P-1", "twin-p-1", "observed", 9.5, deploy, loss or {}, observations, swept, 31.4)


def said(capsys: pytest.CaptureFixture[str], found: Trial, language: Language = "en") -> str:
    twintext.show(Context(folder=LINWU, state_folder=None, language=language), found)
    return capsys.readouterr().out


def test_a_change_that_costs_nothing_is_ok_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    good = trial(loss={"mill": Loss(200, 0, 0.0)}, swept=QUIET)
    assert good.ok
    english = said(capsys, good)
    assert "from what the devices run now" in english
    assert "during the change: 0 of 200 packets lost, in 0 of 1 units" in english
    assert "verdict: ok (31 s)" in english
    assert "结论：通过（31 秒）" in said(capsys, good, "zh")


def test_a_unit_that_loses_a_service_makes_it_bad_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    bad = trial(observations=(Observation(PERMIT, passed=False),))
    assert not bad.ok
    assert "host-clinic > notices tcp/80: does not get through" in said(capsys, bad)
    assert bad.as_dict()["matrix"] == {
        "cells": 1,
        "mismatches": [
            {
                "source": "host-clinic",
                "destination": "notices",
                "address": "192.168.250.2",
                "port": "tcp/80",
                "verdict": "permit",
                "rule": "all-read-notices",
                "observed": "deny",
            }
        ],
    }


def test_packets_lost_during_the_change_are_told_and_are_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    shaky = trial(loss={"mill": Loss(200, 7, 0.35), "ferry": Loss(200, 0, 0.0)})
    assert shaky.ok
    text = said(capsys, shaky)
    assert "7 of 400 packets lost, in 1 of 2 units" in text
    assert "mill  7/200  350 ms" in text
    assert "ferry" not in text


def test_a_finding_makes_it_bad_a_single_point_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    use = Use("service", "mill", "notices")
    honest = trial(swept=Swept((LINE,), (), (SinglePoint(LINE, (use,)),)))
    assert honest.ok
    assert "acc-mill--hub: mill (notices)" in said(capsys, honest)
    bad = trial(swept=Swept((LINE,), (Finding(LINE, use),), ()))
    assert not bad.ok
    assert "mill loses notices when acc-mill--hub fails although a path exists" in said(capsys, bad)
    assert "acc-mill--hub 故障时 mill 无法访问 notices" in said(capsys, bad, "zh")


def test_a_units_own_switch_is_not_news_and_long_lists_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    units = ("treasury", "archive", "clinic", "school", "market", "mill")
    own = tuple(SinglePoint(Failure("device", f"acc-{unit}"), (Use("service", unit, "notices"),)) for unit in units)
    all_of_them = tuple(Use("service", unit, service) for service in ("registry", "notices") for unit in units)
    core = SinglePoint(Failure("device", "hub"), (*all_of_them, Use("service", "ferry", "notices")))
    text = said(capsys, trial(swept=Swept((), (), (*own, core))))
    assert "    6 access switches: each its own unit\n" in text
    assert "    hub: 6 units (registry, notices); ferry (notices)\n" in text
    assert "acc-mill" not in text


def test_a_change_that_was_not_made_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"kind": "verify", "where": "acc-mill", "what": "OSPF to hub is not up", "why": "", "hint": ""}
    failed = trial(deploy={"result": "restored", "changed": [], "problems": [problem]}, observations=None)
    assert not failed.ok
    assert "acc-mill: OSPF to hub is not up" in said(capsys, failed)
    assert failed.as_dict()["matrix"] is None


def test_the_form_for_programs_is_json() -> None:
    value = json.loads(json.dumps(trial(loss={"mill": Loss(20, 1, 0.05)}, swept=QUIET).as_dict()))
    assert (value["ok"], value["base"], value["up_s"], value["seconds"]) == (True, "observed", 9.5, 31.4)
    assert value["loss"] == {"mill": {"sent": 20, "lost": 1, "longest_gap_s": 0.05}}
    assert value["sweep"] == {"links": 1, "devices": 0, "findings": [], "single_points": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sweep"], "--sweep and --before say how to try a plan"),
        (["--twin", "--before", str(LINWU)], "a plan from elsewhere needs --twin PLAN and --before FOLDER"),
        (["--twin", "plan.json"], "a plan from elsewhere needs --twin PLAN and --before FOLDER"),
        (["--twin", "--sweep=ring-x"], "unknown link or device 'ring-x'"),
        (["--twin", "no-such.json", "--before", str(LINWU)], "the plan cannot be read"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    context = Context(folder=LINWU, state_folder=tmp_path, language="en")
    result = CliRunner().invoke(config.plan, arguments, obj=context)
    assert isinstance(result.exception, UsageError)
    assert words in str(result.exception)


@pytest.fixture
def district(tmp_path: Path) -> Context:
    """The second district with a vault of its own."""
    context = Context(folder=LINWU, state_folder=tmp_path, language="en")
    secrets.create(context.state, secrets.references(context.network.district))
    return context


def planned(context: Context, running: Mapping[str, str]) -> Plan:
    """A plan made where the devices are: it knows what they ran by its hash."""
    devices = {device: Observed(text, text + "!", "", "commit-confirm") for device, text in running.items()}
    return make(context.network, Setting("warden", {"registry": "hall", "notices": "hall"}), devices, datetime.now(UTC))


def test_a_plan_from_elsewhere_starts_from_the_inventory_its_devices_were_deployed_from(district: Context) -> None:
    texts = render.render_all(district.network, home(district.network.district).active, district.secrets)
    base = rendered(district, planned(district, {"hub": texts["hub"]}), LINWU)
    assert (base.how, base.running) == ("rendered", texts)


def test_a_device_that_ran_something_else_is_named_and_nothing_is_tried(district: Context) -> None:
    texts = render.render_all(district.network, home(district.network.district).active, district.secrets)
    by_hand = planned(district, {"hub": texts["hub"], "ring-n": texts["ring-n"] + "by hand\n"})
    with pytest.raises(Problems) as caught:
        rendered(district, by_hand, LINWU)
    assert [problem.where for problem in caught.value.problems] == ["ring-n"]
    assert "it does not run what" in str(caught.value)
