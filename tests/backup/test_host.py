from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from backup.host import LimitError, LocalShell, Result, SshShell, stop_all
from netdr.kernel.errors import MissingError, UnreachableError

HERE = LocalShell("here", grace=0.2)


def test_output_and_code() -> None:
    result = HERE.run(["sh", "-c", "cat; echo oops >&2; exit 3"], limit=10, stdin="in")
    assert (result.code, result.out, result.err) == (3, "in", "oops\n")


def test_more_than_a_pipe_holds_in_every_direction() -> None:
    text = "x" * 3_000_000
    result = HERE.run(["sh", "-c", "tee /dev/stderr"], limit=30, stdin=text)
    assert (result.out, result.err) == (text, text)


def test_input_that_nobody_reads() -> None:
    assert HERE.run(["true"], limit=10, stdin="x" * 3_000_000).code == 0


def test_the_limit_ends_the_command_and_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    start = time.monotonic()
    with pytest.raises(LimitError, match="sh did not end within 0 s"):
        HERE.run(["sh", "-c", f"(sleep 2; touch {mark}) & wait"], limit=0.2)
    assert time.monotonic() - start < 2
    time.sleep(2)
    assert not mark.exists()


def test_a_command_that_ignores_the_first_signal_is_killed() -> None:
    with pytest.raises(LimitError):
        HERE.run(["sh", "-c", "trap '' INT; while :; do sleep 1; done"], limit=0.3)


def test_lines_of_stderr_are_seen_as_they_come() -> None:
    seen: list[str] = []
    HERE.run(["sh", "-c", "echo one >&2; echo out; echo two >&2"], limit=10, watch=seen.append)
    assert seen == ["one", "two"]


def test_the_environment_has_nothing_of_ours() -> None:
    names = {row.split("=")[0] for row in HERE.run(["env"], limit=10).out.splitlines()}
    assert names == {"PATH", "LANG", "TZ", "HOME"}


def test_no_such_program() -> None:
    with pytest.raises(MissingError, match="no program nonesuch"):
        HERE.run(["nonesuch"], limit=1)


def test_stop_all_ends_what_other_threads_run() -> None:
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(HERE.run(["sleep", "30"], limit=60)))
    thread.start()
    end = time.monotonic() + 10
    while thread.is_alive() and time.monotonic() < end:
        stop_all()
        thread.join(0.05)
    assert results[0].code < 0


def test_ssh_that_is_not_answered(tmp_path: Path) -> None:
    # Port 22 of an address of TEST-NET-1 (RFC 5737) is not asked: the key file is missing on a loopback without sshd.
    shell = SshShell("srv-1", "127.93.0.1", "netdr", tmp_path / "key", tmp_path / "known")
    with pytest.raises(UnreachableError) as caught:
        shell.run(["true"], limit=20)
    assert caught.value.where == "srv-1 (127.93.0.1)"


def test_a_remote_command_has_no_folder(tmp_path: Path) -> None:
    shell = SshShell("srv-1", "127.93.0.1", "netdr", tmp_path / "key", tmp_path / "known")
    with pytest.raises(ValueError, match="home"):
        shell.run(["true"], limit=1, cwd=tmp_path)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result(1, "out\n", "one\ntwo\n\n"), "two"),
        (Result(1, "out\n", ""), "out"),
        (Result(7, "", ""), "exit code 7, no message"),
    ],
)
def test_last_words(result: Result, words: str) -> None:
    assert result.last_words == words
