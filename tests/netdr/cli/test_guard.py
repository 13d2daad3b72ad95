"""``netdr dr watch``, ``confirm`` and ``guard``, and what a recovery waits for where hosts are guarded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backup.guard import clock, memory
from backup.guard.decide import Pace, Right, Sight
from backup.guard.files import Record, Standing
from backup.guard.hosts import await_leave
from backup.guard.watch import View
from backup.host import Result as Ended
from backup.testing import FakeShell
from inventory import load
from netdr.cli import promotion, root
from netdr.kernel.errors import RecoveryError, UsageError

LINWU = Path(__file__).parents[2] / "districts" / "linwu"
NETWORK = load.network(LINWU)
NODES = ("warden-b", "store", "store-b")


def netdr(state: Path, *arguments: str, standard_input: str = "") -> Result:
    return CliRunner().invoke(root, ["-i", str(LINWU), "--state", str(state), "dr", *arguments], input=standard_input)


def nobody(_nodes: Sequence[str]) -> tuple[str, ...]:
    return ()


def watched(state: Path, silent: float) -> None:
    """Let a watch have looked just now, having seen nobody for so many seconds."""
    now = clock.now()
    sight = Sight(now, dict.fromkeys(NODES, now - silent))
    memory.save(state, View(Right(entitled=True, in_step=True, had=now), sight), 0)


def test_a_person_confirms_only_what_the_controller_knows(tmp_path: Path) -> None:
    refused = netdr(tmp_path, "confirm", "--epoch", "2", "--yes")
    assert isinstance(refused.exception, RecoveryError)
    assert "knows of epoch 0, not of epoch 2" in str(refused.exception)
    assert not memory.confirmed(tmp_path, 0)
    assert netdr(tmp_path, "confirm", "--epoch", "0", "--yes").exit_code == 0
    (entry,) = map(json.loads, (tmp_path / memory.JOURNAL).read_text(encoding="utf-8").splitlines())
    assert (entry["confirmed"], bool(entry["who"])) == (0, True)
    assert memory.confirmed(tmp_path, 0)


def test_a_person_who_says_no_confirms_nothing(tmp_path: Path) -> None:
    assert netdr(tmp_path, "confirm", "--epoch", "0", standard_input="n\n").exit_code == 1
    assert not (tmp_path / memory.JOURNAL).exists()


def test_one_thing_at_a_time(tmp_path: Path) -> None:
    assert isinstance(netdr(tmp_path, "watch", "--once", "--stop").exception, UsageError)


def test_without_a_watch_a_recovery_waits_for_nothing(tmp_path: Path) -> None:
    promotion.await_promotion(NETWORK, tmp_path, nobody)
    promotion.await_leave(tmp_path, FakeShell(()), "registry")


def test_where_hosts_are_guarded_somebody_has_to_watch(tmp_path: Path) -> None:
    memory.save(tmp_path, View(), 0)
    with pytest.raises(RecoveryError, match="nobody has been watching") as refused:
        promotion.await_promotion(NETWORK, tmp_path, nobody)
    assert "netdr dr watch" in refused.value.hint


def test_an_old_site_that_was_silent_long_enough_is_replaced(tmp_path: Path) -> None:
    watched(tmp_path, Pace().silence)
    promotion.await_promotion(NETWORK, tmp_path, nobody)


def test_an_old_site_that_answers_is_told_and_not_waited_for(tmp_path: Path) -> None:
    watched(tmp_path, 0)
    promotion.await_promotion(NETWORK, tmp_path, tuple)


def test_a_service_is_started_when_its_guard_lets_it(tmp_path: Path) -> None:
    watched(tmp_path, 0)
    standing = replace(Standing.fresh(Record(1, {"registry": "cave"}), clock.now()), may=("registry",))
    told = FakeShell((lambda _argv: Ended(0, f"{clock.now():.2f}\n{standing.dump()}", ""),))
    promotion.await_leave(tmp_path, told, "registry")
    waited: list[float] = []
    with pytest.raises(RecoveryError, match="does not let notices be served") as refused:
        await_leave(told, "notices", limit=0, wait=waited.append)
    assert "epoch 1, which nobody has confirmed" in refused.value.why
    # A host without a guard has nobody who could object.
    await_leave(FakeShell((lambda _argv: Ended(3, "", "cat: standing.json"),)), "notices", limit=0)
