"""The person at the terminal: a real one (pty(7)), with what they type."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest

from backup.recovery.plan import Step
from inventory.entry import Name
from netdr.cli.context import Context
from netdr.cli.people import Terminal
from netdr.kernel.errors import RecoveryError

STEP = Step("mount", Name(en="mount it", zh="安装"), instruction=Name(en="cable it", zh="接线"))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """What is handed to it has been typed at the terminal that is standard input."""
    master, slave = os.openpty()
    with open(slave, encoding="utf-8") as stdin:  # noqa: PTH123 - a descriptor, not a path
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda text: os.write(master, text.encode()) and None
    os.close(master)


def terminal(language: str = "en", *, yes: bool = False) -> Terminal:
    return Terminal(Context(Path(), Path(), "zh" if language == "zh" else "en"), yes=yes)


@pytest.mark.parametrize("word", ["y", "YES", "是"])
def test_who_agrees_is_named(typed: Callable[[str], None], word: str) -> None:
    typed(f"{word}\n")
    assert terminal().decide(STEP, {}, 10) == getpass.getuser()


@pytest.mark.parametrize("word", ["n", "", "later"])
def test_everything_else_is_a_no(typed: Callable[[str], None], word: str) -> None:
    typed(f"{word}\n")
    with pytest.raises(RecoveryError, match="mount: not agreed"):
        terminal().decide(STEP, {}, 10)


def test_who_decides_is_shown_what_is_known(typed: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    typed("y\n")
    terminal("zh").decide(STEP, {"detect": {"witnesses": ["acc-1", "acc-2"]}}, 10)
    told = capsys.readouterr().err
    assert "detect: witnesses ['acc-1', 'acc-2']" in told
    assert "安装。同意吗？[y/N]" in told


def test_what_was_done_by_hand_is_written_down(
    typed: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("serial 123\n")
    assert terminal().report(STEP, 10) == f"{getpass.getuser()}: serial 123"
    assert "cable it" in capsys.readouterr().err


def test_an_empty_line_is_no_report(typed: Callable[[str], None]) -> None:
    typed("\n")
    with pytest.raises(RecoveryError, match="no answer was given"):
        terminal().report(STEP, 10)


@pytest.mark.usefixtures("typed")
def test_a_person_has_the_step_s_time() -> None:
    with pytest.raises(RecoveryError, match="nobody answered within 0 s"):
        terminal().report(STEP, 0.3)


@pytest.mark.usefixtures("typed")
def test_who_stops_is_not_waited_for() -> None:
    asking = terminal()
    Timer(0.1, asking.stop).start()
    with pytest.raises(RecoveryError, match="nobody has decided: stopped"):
        asking.decide(STEP, {}, 30)


def test_a_decision_may_be_made_already_what_was_done_by_hand_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open(encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert terminal(yes=True).decide(STEP, {}, 10) == f"{getpass.getuser()} (--yes)"
        with pytest.raises(RecoveryError, match="nobody can be asked"):
            terminal(yes=True).report(STEP, 10)
