"""The transaction: whatever goes wrong at whichever step, all devices end new or all old, and the report is true."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from netdr.kernel.errors import BusyError, DriftError, Problems, StoppedError, VerifyError
from nornir_tasks import lock
from nornir_tasks.journal import Journal, Opening
from nornir_tasks.report import Report
from nornir_tasks.testing import CANARY, FakeSession, Fault, Rig

# Linwu's controller ``warden`` hangs on ``hub``: the unit is three links away, the ring two, the hub one.
FAR, MIDDLE, NEAR = "acc-ferry", "ring-s", "hub"

VERBS = ("fence", "claim", "pending", "running", "load", "neighbours", "commit", "confirm", "abandon")
# Only what applies a configuration can leave a line of it out.
CASES = [(verb, fault) for verb in VERBS for fault in Fault if fault is not Fault.LIE or verb in {"commit", "confirm"}]


def assert_consistent(rig: Rig, report: Report) -> None:
    """Every device all old or all new as the report says, nothing pending any more."""
    running = dict(rig.devices.running())
    if report.result == "done":
        assert running == rig.new
        assert set(report.of("changed")) == set(rig.new)
    else:
        assert report.result in {"refused", "restored"}
        assert running == rig.old
        assert set(report.of("restored")) | set(report.of("untouched")) == set(rig.old)
        assert report.failures
    assert rig.devices.pending() == ()


def test_a_change_reaches_every_device(rig: Rig) -> None:
    report = rig.deploy()
    assert (report.result, report.failures) == ("done", ())
    assert_consistent(rig, report)


def test_the_second_deploy_finds_nothing_to_do(rig: Rig) -> None:
    rig.deploy()
    plan = rig.engine.plan_change()
    assert plan.changed == ()
    assert rig.engine.deploy(plan).result == "nothing"


def test_armed_from_far_to_near_and_confirmed_from_near_to_far(rig: Rig, tmp_path: Path) -> None:
    report = rig.deploy()
    journal = Journal(tmp_path / "journal/journal.sqlite")
    steps = [(row.step, row.device) for row in journal.steps(report.transaction) if row.state == "begun"]
    armed = [device for step, device in steps if step == "arm"]
    confirmed = [device for step, device in steps if step == "confirm"]
    assert armed.index(FAR) < armed.index(MIDDLE) < armed.index(NEAR)
    assert confirmed.index(NEAR) < confirmed.index(MIDDLE) < confirmed.index(FAR)
    journal.close()


@pytest.mark.parametrize("victim", [FAR, MIDDLE, NEAR])
@pytest.mark.parametrize(("verb", "fault"), CASES)
def test_all_or_none_whatever_fails(rig: Rig, victim: str, verb: str, fault: Fault) -> None:
    plan = rig.engine.plan_change()
    rig.devices[victim].faults[verb] = fault
    if verb == "abandon":  # only a change that fails gets so far
        rig.devices[NEAR].faults["confirm"] = Fault.REFUSE
    report = rig.deploy(plan)
    rig.devices.clock.sleep(1000)
    assert_consistent(rig, report)


@pytest.mark.parametrize("victim", [FAR, MIDDLE, NEAR])
@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.POWER_LOSS, Fault.DEFECT])
def test_nothing_is_committed_anywhere_when_one_device_cannot_prepare(rig: Rig, victim: str, fault: Fault) -> None:
    plan = rig.engine.plan_change()
    rig.devices[victim].faults["load"] = fault
    report = rig.deploy(plan)
    assert report.result == "refused"
    assert not [device for device in rig.old if "commit" in rig.devices[device].asked]
    assert not [device for device in rig.old if rig.devices[device].candidate]


@pytest.mark.parametrize("verb", ["running", "load", "health"])
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_AFTER])
def test_a_line_that_is_lost_before_anything_changed_is_tried_again(rig: Rig, verb: str, fault: Fault) -> None:
    plan = rig.engine.plan_change()
    rig.devices[FAR].faults[verb] = fault
    assert rig.deploy(plan).result == "done"


def test_a_failure_brings_all_back_at_once_not_when_the_timers_end(rig: Rig) -> None:
    rig.devices[NEAR].faults["commit"] = Fault.REFUSE
    report = rig.deploy()
    assert report.result == "restored"
    assert dict(rig.devices.running()) == rig.old
    assert rig.devices.clock.now() < 10


def test_a_device_that_stays_away_is_said_to_be_unknown(rig: Rig) -> None:
    rig.devices[MIDDLE].faults["confirm"] = Fault.POWER_LOSS_AFTER
    rig.devices[MIDDLE].outage = 3600
    report = rig.deploy()
    assert report.result == "mixed"
    assert report.of("unknown") == (MIDDLE,)
    assert set(report.of("restored")) == set(rig.old) - {MIDDLE}
    assert "no answer in time" in report.devices[MIDDLE].note


def test_a_device_that_reverted_by_itself_is_found_at_confirm(rig: Rig) -> None:
    rig.devices[NEAR].faults["confirm"] = Fault.SLOW  # the timers of all end meanwhile
    report = rig.deploy()
    assert report.result == "restored"
    assert ["no commit is pending any more" in str(failure) for failure in report.failures] == [True]
    assert dict(rig.devices.running()) == rig.old


def test_a_line_the_device_left_out_is_named(rig: Rig) -> None:
    rig.devices[FAR].faults["commit"] = Fault.LIE
    report = rig.deploy()
    assert report.result == "restored"
    assert [failure.where for failure in report.failures] == [FAR]
    assert "- banner welcome" in report.failures[0].why


def test_what_a_wave_made_worse_fails_the_change(rig: Rig) -> None:
    """Its only uplink is shut: the device misses everybody, and everybody of its wave misses it."""
    port = next(w.end(FAR).port for w in rig.network.wires_of(FAR))
    rig.new[FAR] += f"shutdown {port}\n"
    report = rig.deploy()
    assert report.result == "restored"
    assert "verify" not in report.stages
    assert all(isinstance(failure, VerifyError) for failure in report.failures)
    said = {failure.where: failure.what for failure in report.failures}
    assert said["acc-mill"] == f"no route any more to {FAR} (192.168.251.11/32)"
    assert "no route any more to hub (192.168.251.1/32)" in said[FAR]
    assert "registry does not answer any more" in said[FAR]


def test_a_lost_neighbour_fails_the_change(rig: Rig) -> None:
    """One of two ways to the far ring: everything still answers, and a neighbour is missed."""
    wire = next(w for w in rig.network.wires_of("ring-s") if w.far("ring-s").node == "acc-school")
    rig.new["ring-s"] += f"shutdown {wire.end('ring-s').port}\n"
    report = rig.deploy()
    assert report.result == "restored"
    assert "OSPF to acc-school is not up" in str(report.failures)


def test_a_link_that_was_down_before_may_stay_down(rig: Rig) -> None:
    wire = rig.network.wires_of("acc-mill")[1]
    for end in wire.ends:
        rig.set(end.node, f"address {end.address}\nshutdown {end.port}\n")
    assert rig.deploy().result == "done"


def test_a_new_bgp_session_must_come_up(rig: Rig) -> None:
    port = next(w for w in rig.network.wires_of("hub") if w.kind == "city").end("hub").port
    rig.new["hub"] += f"shutdown {port}\n"
    report = rig.deploy()
    assert report.result == "restored"
    assert ["BGP to upstream is not up" in str(failure) for failure in report.failures] == [True]


def test_a_bgp_session_that_was_down_before_may_stay_down(rig: Rig) -> None:
    wire = next(w for w in rig.network.wires_of("hub") if w.kind == "city")
    rig.set("hub", f"neighbor {wire.far('hub').address.ip}\nshutdown {wire.end('hub').port}\n")
    assert rig.deploy().result == "done"


@pytest.mark.parametrize(("line", "result"), [("true", "done"), ("exit 3", "restored")])
def test_the_operators_check_decides(rig: Rig, line: str, result: str) -> None:
    plan = rig.engine.plan_change(checks=(line,))
    report = rig.deploy(plan)
    rig.devices.clock.sleep(1000)
    assert report.result == result
    assert_consistent(rig, report)


def test_drift_is_refused_and_shown(rig: Rig) -> None:
    plan = rig.engine.plan_change()
    rig.devices[FAR].running += "snmp-server community public\n"
    report = rig.deploy(plan)
    assert report.result == "refused"
    assert [type(failure) for failure in report.failures] == [DriftError]
    assert "+ snmp-server community public" in report.failures[0].why
    assert "commit" not in rig.devices[NEAR].asked


def test_a_changed_intent_is_refused(rig: Rig) -> None:
    plan = rig.engine.plan_change()
    rig.new[FAR] += "one more line\n"
    with pytest.raises(Problems) as caught:
        rig.deploy(plan)
    assert [(type(p), p.where) for p in caught.value.problems] == [(DriftError, FAR)]


def test_a_device_that_still_waits_for_an_earlier_confirmation_is_left_alone(rig: Rig) -> None:
    plan = rig.engine.plan_change()
    rig.devices[FAR].candidate = "theirs\n"
    rig.devices[FAR].commit(60)
    report = rig.deploy(plan)
    assert [type(failure) for failure in report.failures] == [BusyError]
    assert rig.devices[FAR].running == "theirs\n"
    assert rig.devices.pending() == (FAR,)


@pytest.mark.parametrize("when", range(12))
def test_stop_is_heeded_between_any_two_steps(rig: Rig, when: int) -> None:
    calls = iter(range(1000))
    report = rig.deploy(stop=lambda: next(calls) == when)
    rig.devices.clock.sleep(1000)
    assert_consistent(rig, report)
    if report.result != "done":
        assert any(isinstance(failure, StoppedError) for failure in report.failures)


def test_an_interrupt_nobody_handles_still_brings_all_back(rig: Rig) -> None:
    calls = iter(range(1000))

    def interrupt() -> bool:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        rig.deploy(stop=interrupt)
    assert dict(rig.devices.running()) == rig.old
    assert rig.devices.pending() == ()


def test_every_commit_is_in_the_journal_before_it_is_made(rig: Rig, tmp_path: Path) -> None:
    """A second reader, as a recovery after a crash would be, sees the row while the commit is being made."""
    unwritten = []
    rows = "select count(*) from steps where step = 'arm' and device = ? and state = 'begun'"

    class Watching(FakeSession):
        def commit(self, revert_in: int, message: str) -> None:
            with sqlite3.connect(tmp_path / "journal/journal.sqlite") as reader:
                if reader.execute(rows, (self.name,)).fetchone() != (1,):
                    unwritten.append(self.name)
            reader.close()
            super().commit(revert_in, message)

    rig.devices.session = Watching
    assert rig.deploy().result == "done"
    assert unwritten == []


def test_a_journal_that_cannot_be_written_stops_the_change(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal/journal.sqlite").write_bytes(b"not a database, and long enough to be read as one" * 100)
    with pytest.raises(Exception, match="journal cannot be written"):
        rig.deploy()
    assert dict(rig.devices.running()) == rig.old


def test_only_one_change_at_a_time(rig: Rig, tmp_path: Path) -> None:
    plan = rig.engine.plan_change()
    with lock.held(tmp_path, "another change"), pytest.raises(BusyError, match="another change"):
        rig.deploy(plan)
    assert rig.deploy(plan).result == "done"


def test_a_change_whose_controller_died_is_told_and_closed(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = rig.engine.plan_change()
    journal = Journal(tmp_path / "journal/journal.sqlite")
    journal.open(Opening(7, plan, "somebody@elsewhere", "CHG-7"))
    assert [entry.ticket for entry in journal.unfinished()] == ["CHG-7"]
    dead = {"owner": "somebody@elsewhere", "pid": 1, "since": "2026-11-23T01:02:03+00:00", "purpose": "plan 7"}
    (tmp_path / lock.FILE).write_text(json.dumps(dead))
    assert rig.deploy(plan).result == "done"
    assert "somebody@elsewhere (pid 1) since 2026-11-23T01:02:03+00:00: plan 7" in caplog.text
    assert journal.unfinished() == ()
    journal.close()


def test_no_secret_is_in_what_a_failed_change_leaves_behind(rig: Rig, tmp_path: Path) -> None:
    rig.devices[FAR].faults["commit"] = Fault.LIE
    plan = rig.engine.plan_change()
    rig.devices[MIDDLE].running = rig.devices[MIDDLE].running.replace(CANARY, f"{CANARY}x")
    said = [str(rig.deploy(plan).as_dict()), str(plan)]
    written = [path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in said + written if CANARY in text]
