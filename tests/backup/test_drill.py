"""What a drill tries and what it leaves behind, as decisions. The drill itself is in test_drill_real.py."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import metrics, schedule, standing, timers
from backup.drill import exercise, record, room
from backup.drill import run as drilling
from backup.drill.exercise import Exercise, Pass, Sample
from backup.duty import Book, book_of
from backup.ledger import Ledger
from backup.recovery.run import Done, Facts
from inventory import load
from inventory.network import Network
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


@pytest.fixture(scope="module")
def tried(network: Network) -> Exercise:
    return exercise.of_network(network)


def test_a_unit_of_every_class_takes_part_from_every_zone_it_has(network: Network, tried: Exercise) -> None:
    # units.yaml: offices with ledgers have two networks, in two zones; the others one each.
    assert [one.unit for one in tried.samples] == ["treasury", "treasury", "clinic", "ferry"]
    assert len({one.address for one in tried.samples}) == 4
    classes = {network.units[one.unit].user_class for one in tried.samples}
    assert classes == {one.id for one in network.district.classes}


def test_what_the_policy_permits_is_tried_and_what_it_forbids_too(tried: Exercise) -> None:
    # policy.yaml: desks read notices; registry is for offices; no rule lets the zone of ledgers reach a service.
    web = {
        (one.unit, one.address, flow.service): flow.permitted
        for one in tried.samples
        for flow in one.tries
        if flow.port == 80
    }
    desks, ledgers, clinic, ferry = (one.address for one in tried.samples)
    assert web == {
        ("treasury", desks, "registry"): True,
        ("treasury", desks, "notices"): True,
        ("treasury", ledgers, "registry"): False,
        ("treasury", ledgers, "notices"): False,
        ("clinic", clinic, "registry"): True,
        ("clinic", clinic, "notices"): True,
        ("ferry", ferry, "registry"): False,
        ("ferry", ferry, "notices"): True,
    }
    others = {flow.permitted for one in tried.samples for flow in one.tries if flow.port != 80}
    assert others == {False}


def test_the_filter_of_a_unit_is_that_of_its_switch(tried: Exercise) -> None:
    # A remote post: notices only. Behind the zone of ledgers: nothing.
    notices = tried.services["notices"]
    assert tried.samples[3].passes == (Pass(f"{notices}/32", "tcp", (80,)),)
    assert tried.samples[1].passes == ()


def test_an_exercise_travels_as_text(tried: Exercise) -> None:
    assert Exercise.load(tried.dump(), "here") == tried
    assert Exercise.load("", "here") == Exercise()
    with pytest.raises(BackupError, match=r"what a drill is to try cannot be read"):
        Exercise.load('{"samples": [{"unit": "x"}]}', "here")


def test_the_dr_host_knows_what_to_try_and_no_other_host_does(network: Network, tried: Exercise) -> None:
    book = book_of(network, "store-b")
    known = Book.load(book.dump(), "here")
    assert known == book
    assert Exercise.load(json.dumps(known.exercise), "here") == tried
    assert book_of(network, "store").exercise == {}
    old = json.loads(book.dump())
    del old["exercise"]
    assert Book.load(json.dumps(old), "here").exercise == {}


def test_the_rules_of_the_room() -> None:
    passes = (
        Pass("10.9.0.1/32", "tcp", (80, 443)),
        Pass("10.9.0.0/24", permitted=False),
        Pass("10.9.0.2/32", "icmp"),
        Pass("0.0.0.0/0", "udp", (53,)),
    )
    text = room.ruleset([Sample("office", "10.1.0.10", passes, ())])
    assert [line.strip() for line in text.splitlines()] == [
        "table inet drill {",
        "chain unit0 {",
        "ip daddr 10.9.0.1/32 tcp dport { 80, 443 } accept",
        "ip daddr 10.9.0.0/24 drop",
        "ip daddr 10.9.0.2/32 icmp type echo-request accept",
        "udp dport { 53 } accept",
        "drop",
        "}",
        "chain input {",
        "type filter hook input priority filter; policy drop;",
        'iifname "lo" accept',
        "ct state established,related accept",
        'iifname "line0" ip saddr 10.1.0.10 jump unit0',
        "}",
        "}",
    ]


def done(took: Mapping[str, tuple[float, float, Facts, NetdrError | None]]) -> list[Done]:
    steps = {step.id: step for step in drilling.plan({"registry": 1200.0}).steps}
    return [Done(steps[name], *times) for name, times in took.items()]


def test_the_figures_of_a_drill() -> None:
    steps = done(
        {
            "restore:registry": (1000.5, 1010.5, {"as_of": 940.0}, None),
            "start:registry": (1010.5, 1012.0, {}, None),
            "verify:registry": (1012.0, 1015.0, {}, None),
        },
    )
    (found,) = record.results(["registry"], 1000.0, steps).values()
    assert found.seconds == {"fetch": 10.0, "start": 1.5, "verify": 3.0}
    assert (found.passed, found.rto, found.rpo, found.why) == (True, 15.0, 60.0, "")
    assert record.load(json.loads(json.dumps(record.dump(steps)))) == tuple(steps)


def test_what_fails_has_no_rto_and_says_why() -> None:
    wrong = Problems([ProofError("the first", where="here"), ProofError("the second")])
    steps = done(
        {"restore:registry": (1.0, 2.0, {"as_of": 0.5}, None), "start:registry": (2.0, 3.0, {}, wrong)},
    )
    (found,) = record.results(["registry"], 1.0, steps).values()
    assert (found.passed, found.rto, found.rpo, found.why) == (False, None, 0.5, "here: the first")
    told = record.load(record.dump(steps))[1].failure
    assert told is not None
    assert told.what == "the first (and 1 more)"
    assert isinstance(told, ProofError)
    (nothing,) = record.results(["registry"], 1.0, []).values()
    assert (nothing.passed, nothing.why) == (False, "not begun")


def test_what_is_drilled_seldom_is_drilled_with_all_others(network: Network) -> None:
    drills = [job for job in schedule.jobs(book_of(network, "store-b")) if job.verb == "drill"]
    assert [(job.name, job.every, job.together) for job in drills] == [
        ("drill-30d", 30 * 86400, ("registry",)),
        ("drill-90d", 90 * 86400, ("registry", "notices")),
    ]
    assert [job for job in schedule.jobs(book_of(network, "store")) if job.verb == "drill"] == []
    texts = timers.units("/usr/bin/netdr", drills)
    assert "ExecStart=/usr/bin/netdr backup drill registry notices --here\n" in texts["netdr-drill-90d.service"]
    hours = [re.search(r"OnCalendar=\S+ (\d\d):00:00", texts[f"netdr-{job.name}.timer"]) for job in drills]
    # Two at once are refused.
    assert len({found[1] for found in hours if found}) == 2


def test_the_ledger_tells_when_a_service_was_last_drilled(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "registry.jsonl")
    ledger.add("drill", MARCH, {"run": "one", "result": "passed"})
    ledger.add("drill", MARCH.replace(day=2), {"run": "two", "result": "failed", "why": "no copy"})
    found = standing.stand("standby", ledger.lines())
    assert (found.drilled, found.drill) == (MARCH, "failed")
    duty = book_of(load.network(LINWU), "store-b").duties["registry"]
    words = "\n".join(str(problem) for problem in standing.judge(duty, found, MARCH.replace(month=4, day=5), "store-b"))
    # 30 days are promised, two are grace: on 5 April it is 35.
    assert "the recovery of registry was last drilled 3024000 s ago" in words
    assert "in the last drill registry did not come back" in words
    early = standing.judge(duty, found, MARCH.replace(month=4, day=1), "store-b")
    assert "last drilled" not in "\n".join(str(problem) for problem in early)
    text = metrics.text({("registry", "standby"): found}, {})
    labels = '{asset="registry",role="standby"}'
    assert f"netdr_backup_drilled_timestamp_seconds{labels} {MARCH.timestamp()}\n" in text
    assert f"netdr_backup_drill_ok{labels} 0.0\n" in text
