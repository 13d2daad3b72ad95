"""How much is lost when the main site dies: the stream to the DR site, and dumps into restic one after the other.

The main site's database takes changes all the time (pgbench) and a canary row every 20 ms. Then its server is killed,
again and again at moments drawn by chance. Lost is the time from the newest canary row that comes back, from what the
DR host has on its own disk, until the server was dead. The peer gets the best that can be done with dumps: the next
begins as soon as the last is stored.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from measure import Comparison, options, show

from backup.host import LocalShell
from backup.stream import canary
from backup.stream.testing import Two, make
from inventory.asset import Asset, Postgres, Protection
from inventory.entry import Name

COMMAND = "./run bench streaming"
# 15 MB each.
SCALE = 20
CLIENTS = 2
# Seconds between two rows of the canary; what comes back can never be newer than the last row.
BEAT = 0.02
LIMIT = 600.0
PROTECTION = Protection.model_validate(
    {
        "id": "tier-1",
        "rpo": "15m",
        "rto": "30m",
        "every": "5m",
        "stream": True,
        "retention": {"last": 1},
        "copies": ({"at": "standby", "media": "disk", "immutable": True},),
        "proof": {"every": "1d", "read_within": "30d"},
    }
)
ASSET = Asset(
    id="bench",
    name=Name(zh="测试", en="Bench"),
    home="main",
    standby="dr",
    protection="tier-1",
    data=(Postgres(kind="postgresql", database="bench"),),
)


@dataclass
class Dumps:
    """Plain restic: a dump, a snapshot of it, and the next. ``safe``: when the dump of the newest snapshot began."""

    two: Two
    safe: datetime | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def _repository(self) -> list[str]:
        return ["restic", "--no-cache", "-r", str(self.two.root / "plain"), "-p", str(self.two.root / "password")]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Go on while the block runs."""
        (self.two.root / "password").write_text("plain", encoding="ascii")
        subprocess.run([*self._repository, "init"], check=True, capture_output=True, timeout=LIMIT)
        worker = threading.Thread(target=self._work)
        worker.start()
        try:
            yield
        finally:
            self._stop.set()
            worker.join()

    def _work(self) -> None:
        stage = self.two.root / "stage"
        while not self._stop.is_set():
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir(mode=0o777)
            stage.chmod(0o777)
            begun = datetime.now(UTC)
            dump = self.two.cluster.client("pg_dump", "-Fd", "-Z0", "-j2", f"--file={stage}/dump", "bench")
            if LocalShell("bench").run(dump, limit=LIMIT).code != 0:
                # The server is dead just now.
                time.sleep(0.1)
                continue
            subprocess.run([*self._repository, "backup", "-q", str(stage)], check=True, timeout=LIMIT)
            self.safe = begun


@contextmanager
def load(two: Two) -> Iterator[None]:
    """Change the database and beat the canary until the block ends or the server dies."""
    bench = two.cluster.client("pgbench", "-n", "-c", str(CLIENTS), "-T", "3600", "bench")
    beat = two.root / "beat.sql"
    beat.write_text(f"INSERT INTO canary DEFAULT VALUES\n\\watch {BEAT}\n", encoding="ascii")
    rows = two.cluster.client("psql", "-X", "-q", "-o", "/dev/null", "-d", canary.DATABASE, "-f", str(beat))
    with ExitStack() as running:
        for argv in (bench, rows):
            process = subprocess.Popen(argv, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            running.callback(process.wait)
            running.callback(process.kill)
        yield


def disaster(two: Two, dumps: Dumps, chance: random.Random) -> tuple[float, float]:
    """Kill the main site's server under load; return the seconds lost with the stream and with dumps.

    The server is up again afterwards.
    """
    with load(two):
        # Comes back when all has been received: the receiver tries again 5 s after it lost its source.
        two.tend()
        until(lambda: dumps.safe is not None)
        time.sleep(chance.uniform(0.5, 3.0))
        two.pg_ctl("stop", "-m", "immediate")
        dead = datetime.now(UTC)
        saved = dumps.safe
    with two.recovered() as back:
        newest = canary.newest(back.cluster)
    two.pg_ctl("start")
    if newest is None or saved is None:
        message = "nothing came back"
        raise RuntimeError(message)
    return (dead - newest.at).total_seconds(), (dead - saved).total_seconds()


def until(ready: Callable[[], bool]) -> None:
    """Wait until ``ready`` says so. Raise RuntimeError after ten minutes."""
    end = time.monotonic() + LIMIT
    while not ready():
        if time.monotonic() > end:
            message = "not ready in ten minutes"
            raise RuntimeError(message)
        time.sleep(0.1)


def measured(runs: int) -> tuple[Sequence[float], Sequence[float]]:
    """Return the seconds lost in every disaster, with the stream and with dumps."""
    root = Path(tempfile.mkdtemp(prefix="nbs-", dir="/var/tmp"))
    root.chmod(0o711)
    try:
        two = make(root, ASSET, PROTECTION)
        try:
            two.cluster.query("CREATE DATABASE bench")
            two.cluster.run("pgbench", "-i", "-q", "-s", str(SCALE), "bench", limit=LIMIT)
            two.set_up()
            two.tend()
            dumps, chance = Dumps(two), random.Random(4)  # noqa: S311 - moments, not secrets
            with dumps.running():
                found = [disaster(two, dumps, chance) for _ in range(runs)]
        finally:
            two.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return [one for one, _ in found], [other for _, other in found]


def compared(runs: int) -> list[Comparison]:
    """Measure ``runs`` disasters and return all of them, then the worst."""
    ours, peer = measured(runs)
    return [
        Comparison("tier 1 rpo vs restic dumps", COMMAND, tuple(ours), tuple(peer)),
        Comparison("tier 1 rpo, worst, vs restic dumps", COMMAND, (max(ours),), (max(peer),)),
    ]


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "", runs=10)
    show(compared(asked.runs), as_json=asked.json)


if __name__ == "__main__":
    main()
