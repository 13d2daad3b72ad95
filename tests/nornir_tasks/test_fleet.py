"""The fleet: one kept connection per device, failures as values, every foreign exception as ours."""

from __future__ import annotations

import logging

import paramiko
import pytest
from napalm.base import exceptions as napalm

from netdr.kernel.errors import NetdrError, Problems, RefusedError, UnreachableError
from nornir_tasks import foreign
from nornir_tasks.session import DeviceSession
from nornir_tasks.testing import CANARY, Fault, Rig


def running(_: str, session: DeviceSession) -> str:
    return session.running()


def test_a_connection_is_opened_once_and_kept(rig: Rig) -> None:
    for _ in range(3):
        assert rig.engine.fleet.run(["hub"], "read", running).values == {"hub": rig.old["hub"]}
    assert rig.devices["hub"].asked == ["open", "running", "running", "running"]
    assert rig.devices["ring-n"].asked == []


def test_a_lost_connection_is_opened_anew_in_the_next_step(rig: Rig) -> None:
    rig.devices["hub"].faults["running"] = Fault.DROP
    first = rig.engine.fleet.run(["hub"], "read", running)
    assert [type(failure) for failure in first.outcomes.failures] == [UnreachableError]
    assert rig.engine.fleet.run(["hub"], "read", running).outcomes.ok
    assert rig.devices["hub"].asked.count("open") == 2


def test_one_device_that_fails_stops_no_other(rig: Rig) -> None:
    rig.devices["hub"].faults["open"] = Fault.DROP
    results = rig.engine.fleet.run(list(rig.old), "read", running)
    assert set(results.values) == set(rig.old) - {"hub"}
    assert [failure.where for failure in results.outcomes.failures] == ["hub"]


def test_a_defect_is_loud_and_tells_no_secret(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def broken(device: str, _: DeviceSession) -> None:
        message = f"cannot handle {CANARY} of {device}"
        raise ZeroDivisionError(message)

    with caplog.at_level(logging.DEBUG):
        failure = rig.engine.fleet.run(["hub"], "read", broken).outcomes.failures[0]
    assert "unexpected ZeroDivisionError" in str(failure)
    assert "test_fleet.py" in caplog.text
    assert CANARY not in caplog.text + failure.report()


def test_a_device_that_does_not_answer_is_named_with_the_way_round_it(rig: Rig) -> None:
    rig.devices["acc-ferry"].faults["open"] = Fault.DROP
    rig.devices["hub"].faults["open"] = Fault.DROP
    with pytest.raises(Problems) as caught:
        rig.engine.plan_change()
    assert [problem.where for problem in caught.value.problems] == ["acc-ferry", "hub"]
    assert "-l '!acc-ferry'" in caught.value.problems[0].hint
    assert rig.engine.plan_change(["ring-n"]).changed == ("ring-n",)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (napalm.ReplaceConfigException("line 7: ip ospf key SECRET"), RefusedError, "line 7: ip ospf key <hidden>"),
        (napalm.ConnectAuthError("no"), UnreachableError, "refuses netdr's key"),
        (napalm.ConnectTimeoutError("10 s"), UnreachableError, "no answer in time: 10 s"),
        (paramiko.BadHostKeyException("10.0.0.1", paramiko.RSAKey.generate(1024), paramiko.RSAKey.generate(1024)),
         UnreachableError, "host key is not the pinned one"),
        (ConnectionRefusedError(111, "Connection refused"), UnreachableError, "Connection refused"),
        (RefusedError("no", why="SECRET"), RefusedError, "hub: no: <hidden>"),
        (NotImplementedError(), RefusedError, "cannot do this"),
    ],
)  # fmt: skip
def test_a_foreign_exception_is_told_in_our_words(error: Exception, kind: type[NetdrError], words: str) -> None:
    ours = foreign.explain(error, "hub", lambda text: text.replace("SECRET", "<hidden>"))
    assert type(ours) is kind
    assert ours.where == "hub"
    assert words in str(ours)


def test_no_row_of_the_table_is_hidden_by_an_earlier_one() -> None:
    """A row whose exception is a kind of an earlier row's would never be used."""
    rows = [row[0] for row in foreign.TABLE]
    hidden = [row for number, row in enumerate(rows) if any(issubclass(row, earlier) for earlier in rows[:number])]
    assert hidden == []
