"""What goes to another process: whole, with its secrets, and no more than the device needs."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import pytest

from netdr.kernel.errors import NetdrError, Problems, RefusedError
from netdr.kernel.secret import Secret
from nornir_tasks.redact import redact
from nornir_tasks.runners import wire
from nornir_tasks.runners.job import Reply, Target
from nornir_tasks.session import DeviceSession


def running(_: str, session: DeviceSession) -> str:
    return session.running()


def test_a_redaction_hides_the_same_in_another_process() -> None:
    hide = partial(redact, secrets={"key": Secret("hunter2")}, key=b"k")
    again = wire.unpack(wire.pack(hide))
    assert again("ip ospf key hunter2") == hide("ip ospf key hunter2")
    assert "hunter2" not in again("ip ospf key hunter2")


def test_a_secret_travels_on_the_wire_only() -> None:
    assert wire.unpack(wire.pack([Secret("hunter2")])) == [Secret("hunter2")]
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))


def test_a_target_and_an_action_of_a_module_travel() -> None:
    target = Target("hub", "linux", "10.0.0.1", "netdr", Path("/k"), Path("/h"))
    assert wire.unpack(wire.pack((target, running))) == (target, running)


def test_a_closure_is_told_to_be_a_defect() -> None:
    with pytest.raises(NetdrError, match="cannot be sent to another process"):
        wire.pack(lambda: None)


def test_a_reply_that_cannot_travel_becomes_its_devices_failure() -> None:
    reply = wire.unpack(wire.reply(Reply("hub", lambda: None, seconds=1.5)))
    assert (reply.device, reply.value, reply.seconds) == ("hub", None, 1.5)
    assert "cannot be sent" in str(reply.failure)


def test_a_failure_comes_back_as_it_was() -> None:
    failure = Problems([RefusedError("no", where="hub", why="line 3", hint="mend it")])
    again = wire.unpack(wire.reply(Reply("hub", failure=failure))).failure
    assert type(again) is Problems
    assert [type(problem) for problem in again.problems] == [RefusedError]
    assert again.report() == failure.report()


def test_no_configuration_is_in_what_a_job_or_reply_shows() -> None:
    assert "hunter2" not in repr(Reply("hub", "key hunter2", RefusedError("no", why="hunter2")))
