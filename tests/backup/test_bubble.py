"""What gets out of a bubble: nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.bubble import Bubble, blow
from netdr.kernel.errors import MissingError, ProofError

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def work() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces")
    folder = Path("/var/tmp") / f"nb-bubble-{os.getpid()}"  # noqa: S108 - removed below
    (folder / "restored").mkdir(parents=True)
    (folder / "restored" / "page").write_text("restored")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def bubble(work: Path) -> Iterator[Bubble]:
    with blow("test", work, places={Path("/srv/netdr-test/deep"): work / "restored"}) as found:
        yield found


def said(bubble: Bubble, *argv: str) -> str:
    got = bubble.run(argv, limit=20)
    return got.out + got.err


def test_restored_data_is_seen_at_its_own_path_and_may_be_written(bubble: Bubble, work: Path) -> None:
    assert said(bubble, "cat", "/srv/netdr-test/deep/page") == "restored"
    assert said(bubble, "touch", "/srv/netdr-test/deep/new") == ""
    assert (work / "restored" / "new").exists()


@pytest.mark.parametrize("place", ["/etc", "/root", "/srv", "/var/lib", str(Path(__file__).parent)])
def test_the_hosts_files_cannot_be_changed(bubble: Bubble, place: str) -> None:
    assert "Read-only file system" in said(bubble, "touch", f"{place}/netdr-test")


@pytest.mark.parametrize("place", ["/run", "/tmp", "/var/log", "/dev/shm"])  # noqa: S108 - theirs
def test_private_places_are_empty_writable_and_gone_afterwards(bubble: Bubble, place: str) -> None:
    assert said(bubble, "touch", f"{place}/netdr-test") == ""
    assert not Path(place, "netdr-test").exists()


def test_only_its_own_processes_and_loopback_are_there(bubble: Bubble) -> None:
    assert len(said(bubble, "ps", "-eo", "pid=").split()) == 2
    assert said(bubble, "ip", "-brief", "link").split()[:1] == ["lo"]
    assert len(said(bubble, "ip", "-brief", "link").splitlines()) == 1
    assert "unreachable" in said(bubble, "ping", "-c1", "-W1", "192.0.2.1").lower()


def test_the_hosts_loopback_is_another(bubble: Bubble) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert "ConnectionRefusedError" in said(bubble, sys.executable, "-c", code)


def test_folders_made_to_show_something_go_again(work: Path) -> None:
    place = Path("/srv/netdr-other/deep")
    with blow("test", work, places={place: work / "restored"}) as found:
        assert said(found, "cat", f"{place}/page") == "restored"
    assert not place.parent.exists()


def test_nothing_outlives_it_even_if_netdr_is_killed(work: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from backup.bubble import blow
with blow("test", Path("{work}")) as bubble:
    bubble.run(["setsid", "--fork", "sleep", "4243"], limit=10)
    print("up", flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout
        assert child.stdout.readline() == "up\n"
        assert sleepers() == 1
        child.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while sleepers() and time.monotonic() < end:
        time.sleep(0.05)
    assert sleepers() == 0


def test_a_server_that_does_not_start_says_why(bubble: Bubble, work: Path) -> None:
    argv = ["sh", "-c", "echo no licence; exit 3"]
    with (
        pytest.raises(ProofError, match="a server does not start from the restored data: no licence"),
        bubble.serving(argv, lambda: False, log=work / "log", limit=20),
    ):
        pass


def test_a_bubble_that_cannot_be_made_says_why(work: Path) -> None:
    nowhere = {Path("/srv/netdr-test"): work / "missing"}
    with pytest.raises(MissingError, match="No such file or directory"), blow("test", work, places=nowhere):
        pass


def sleepers() -> int:
    out = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True, timeout=20).stdout
    return sum(line.strip() == "sleep 4243" for line in out.splitlines())
