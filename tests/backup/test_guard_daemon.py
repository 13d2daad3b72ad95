"""The real guard, as a process on a host of its own: namespaces with their own folders and their own lo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from backup.guard import hosts
from backup.guard.book import Book, Guarded
from backup.guard.decide import Order, Pace
from backup.guard.files import Standing
from backup.host import LocalShell, Observer, Result, Watch

pytestmark = pytest.mark.tools

NETDR = str(Path(sys.executable).with_name("netdr"))
HOME, AWAY = {"portal": "main", "mail": "main"}, {"portal": "dr", "mail": "main"}
SERVICES = {"portal": Guarded("10.0.0.1"), "mail": Guarded("10.0.0.2")}
WITNESSES = {"acc-1": "10.9.0.1", "acc-2": "10.9.0.2", "acc-3": "10.9.0.3"}
BOOK = Book("store", "main", "10.8.0.1", WITNESSES, SERVICES, HOME, Pace(lease=4, every=0.5))
# What stands for a service: its address is all that a guard looks at.
_VERBS = "#!/bin/sh\n[ $1 = start ] && exec ip address replace {0}/32 dev lo\nip address del {0}/32 dev lo || true\n"
_FOLDERS = "for d in /run /etc/netdr /var/lib/netdr; do mkdir -p $d; mount -t tmpfs tmpfs $d; done; ip link set lo up"


@dataclass(frozen=True)
class Inside:
    """A ``host.Shell`` of the host in namespaces of which ``pid`` is a member."""

    pid: int
    name: str = "store"

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--", *argv]
        return LocalShell(self.name).run(inside, limit=limit, stdin=stdin, cwd=cwd, watch=watch)

    def address(self, verb: str, *addresses: str) -> None:
        for one in addresses:
            assert self.run(["ip", "address", verb, f"{one}/32", "dev", "lo"], limit=5).code == 0

    def standing(self) -> Standing:
        heard = hosts.exchange(self)
        assert heard is not None
        return heard.standing

    def order(self, epoch: int, active: dict[str, str], *, confirmed: bool) -> None:
        now = self.standing()
        hosts.exchange(self, "warden", Order(epoch, active, now.at if confirmed else None), now.life)

    def accept(self) -> None:
        handed = {"book": BOOK.dump(), "epoch": 0, "active": HOME, "confirmed": True}
        done = self.run([NETDR, "dr", "guard", "accept"], limit=60, stdin=json.dumps(handed))
        assert done.code == 0, done.err


@pytest.fixture
def host() -> Iterator[Inside]:
    if os.geteuid() != 0 or shutil.which("unshare") is None or Path("/run/systemd/system").is_dir():
        pytest.skip("needs root and unshare, on a machine that systemd does not run")
    made = Path("/etc/netdr").exists(), Path("/var/lib/netdr").exists()
    argv = ["unshare", "--mount", "--net", "--propagation=private", "sh", "-ec", f"{_FOLDERS}; echo; exec sleep 120"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "\n"
            found = Inside(process.pid)
            for name, one in SERVICES.items():
                script = 'mkdir -p /etc/netdr/services; cat > "$1"; chmod 755 "$1"'
                path = f"/etc/netdr/services/{name}"
                found.run(["sh", "-c", script, "sh", path], limit=5, stdin=_VERBS.format(one.address))
            found.address("add", BOOK.address, *WITNESSES.values())
            yield found
            found.run(["sh", "-c", "kill $(cat /run/netdr/guard/netdr-guard.pid)"], limit=5)
        finally:
            process.kill()
    for path, there in zip((Path("/etc/netdr"), Path("/var/lib/netdr")), made, strict=True):
        if not there:
            with suppress(OSError):
                path.rmdir()


def until(ready: Callable[[], object], limit: float = 15) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def test_a_guard_keeps_a_host_to_what_it_may_serve(host: Inside) -> None:
    host.address("add", SERVICES["portal"].address)
    host.accept()
    # It goes on with what it served, kept up by its witnesses long after the lease.
    until(lambda: host.standing().held.heard > host.standing().at - 1)
    assert host.standing().running == ("portal",)
    # One of three is no majority: it shuts, and the witnesses alone do not open it again.
    host.address("del", "10.9.0.1", "10.9.0.2")
    until(lambda: host.standing().shut == ("mail", "portal"))
    host.address("add", "10.9.0.1", "10.9.0.2")
    assert host.standing().may == ()
    # A controller does; what the guard has stopped it starts, and a kill -9 of the guard stops nothing.
    host.order(0, HOME, confirmed=True)
    until(lambda: host.standing().running == ("portal",))
    before = host.standing()
    host.run(["sh", "-c", "kill -9 $(cat /run/netdr/guard/netdr-guard.pid)"], limit=5)
    host.order(0, HOME, confirmed=True)
    host.accept()
    until(lambda: host.standing().at > before.at + 3)
    assert host.standing().life == before.life
    # The service goes to the other site: it ends here before that is acknowledged.
    host.order(1, AWAY, confirmed=False)
    until(lambda: host.standing().acked == 1)
    shown = host.run(["ip", "-json", "address", "show", "dev", "lo"], limit=5).out
    assert SERVICES["portal"].address not in shown
    host.order(1, AWAY, confirmed=True)
    until(lambda: host.standing().may == ("mail",))
    status = host.run([NETDR, "dr", "guard", "status", "--json"], limit=30)
    assert json.loads(status.out)["carried_out"] == 1
    assert asdict(host.standing())["problems"] == ()
