"""Run by test_desk.py: a failover in a world of real files, killed by SIGKILL at every point, then resumed.

For each point it prints one line of JSON. The points: after every row of the journal (``row``), and after everything
that is done to the world (``act``), before the journal knows of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from threading import Lock

from backup.recovery import scenario
from backup.recovery.desk import Desk
from backup.recovery.run import Journal
from backup.recovery.testing import FakeWorld
from backup.recovery.wish import Wish
from backup.recovery.world import Facts, site_of_kind
from inventory import load, placement
from inventory.network import Network
from inventory.placement import Placement

ROOT = Path(__file__).parents[3]
# Read once, before the processes that die are forked.
PLANS = scenario.load_all()


class Fuse:
    """Kills this process after ``count`` sparks; never, if that is 0."""

    def __init__(self, count: int) -> None:
        self._left, self._lock = count, Lock()

    def spark(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Killing(Journal):
    def __init__(self, path: Path, fuse: Fuse) -> None:
        super().__init__(path)
        self._fuse = fuse

    def write(self, run: str, step: str, state: str, facts: Facts) -> None:
        super().write(run, step, state, facts)
        self._fuse.spark()

    def note(self, run: str, state: str, facts: Facts) -> None:
        super().note(run, state, facts)
        self._fuse.spark()


class Files(FakeWorld):
    """What a fake world remembers is in a folder: everything asked is a line of a file, from which it is read again."""

    def __init__(self, network: Network, folder: Path, fuse: Fuse) -> None:
        super().__init__(network)
        self._folder, self._fuse, self._open = folder, fuse, False
        self.lost = {node.id for node in network.at_site(site_of_kind(network, "main"))}
        self.copies = {service.id: 90 for service in network.district.services}
        for line in self.lines():
            self._again(line)
        self._open = True

    def lines(self) -> list[str]:
        path = self._folder / "world"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def note(self, line: str) -> None:
        if self._open:
            handle = os.open(self._folder / "world", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(handle, f"{line}\n".encode())
            os.close(handle)
            self._fuse.spark()

    def record(self, placement_: Placement) -> None:
        super().record(placement_)
        placement.save(self._folder, placement_)

    def _again(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        if verb in {"start", "stop"}:
            service, _, host = rest.partition(" on ")
            self.control(host, service, verb, 1.0)
        elif verb == "restore":
            service, _, host = rest.partition(" on ")
            self.restore(host, service, 1.0)
        elif verb == "change":
            self.change(placement.load(self._folder, self.network.district))


def go(folder: Path, network: Network, kill: str, count: int, resume: bool) -> None:
    """Begin or resume in a process of its own; it may die."""
    world = Files(network, folder, Fuse(count if kill == "act" else 0))
    desk = Desk(
        world=world.world(),
        scenarios=PLANS,
        placement=lambda: placement.load(folder, network.district),
        journal=Killing(folder / "journal.db", Fuse(count if kill == "row" else 0)),
        tell=lambda _done: None,
        report=lambda _carried: None,
    )
    if resume and any(one.open for one in desk.past):
        desk.resume()
    elif not desk.past or not resume:
        desk.begin(Wish("server-room-lost"))


def child(folder: Path, network: Network, kill: str, count: int, *, resume: bool) -> int:
    """Return how it ended: the exit code, or minus the signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            go(folder, network, kill, count, resume)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def begun_and_done(folder: Path) -> tuple[list[str], list[str]]:
    journal = Journal(folder / "journal.db")
    rows = journal.steps()
    journal.close()
    return [row.step for row in rows if row.state == "begun"], [row.step for row in rows if row.state == "done"]


def main(top: Path) -> None:
    network = load.network(ROOT / "tests/districts/linwu")
    for kill in ("row", "act"):
        for count in range(1, 100):
            folder = top / f"{kill}-{count}"
            folder.mkdir()
            first = child(folder, network, kill, count, resume=False)
            done = begun_and_done(folder)[1] if (folder / "journal.db").exists() else []
            again = child(folder, network, "", 0, resume=True)
            world = Files(network, folder, Fuse(0))
            epoch = placement.load(folder, network.district).epoch
            journal = Journal(folder / "journal.db")
            desk_state = [row.state for row in journal.notes()]
            journal.close()
            line = {
                "kill": kill,
                "count": count,
                "first": first,
                "again": again,
                "done_before": done,
                "lines": Counter(world.lines()),
                "running": sorted(map(list, world.running)),
                "epoch": epoch,
                "fates": desk_state,
                "twice_done": [s for s, n in Counter(begun_and_done(folder)[1]).items() if n > 1],
            }
            sys.stdout.write(json.dumps(line) + "\n")
            if first == 0:
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
