"""A thousand emulated devices: planning for and deploying to them, by runner, against a plain nornir_napalm loop.

*plan*: read every device and say what is different, on all of them. *day-0*: from what a device has before netdr first
reaches it to its whole configuration. *one-line change*: one line on every device. *no change*: all is as it should be.
*memory*: the most that a contestant's processes had in all these runs, shared pages counted once.

Ours is the command line, whole, including reading the inventory and rendering; *processes* and *dask* (two workers on
this machine) are the same with another ``--runner``. The peer is ``napalm_configure(replace=True)`` with the same
driver and as many threads, on texts that we rendered for it beforehand. A commit takes each device half a second. The
devices are put into the starting state before each run and looked at after it; neither is timed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

import yaml
from cluster import Cluster, cluster
from fleet import Fleet, Place, Text, place, running
from measure import OURS, Comparison, interleaved, options, show
from render import ROOT

from lab.processes import memory
from nornir_tasks.runners.threads import WIDTH

COMMAND = "./run bench scale"
DEVICES = 1000
COMMIT_S = 0.5
WORKERS = 2
PEER = "plain nornir_napalm"
PEERS = Path(__file__).with_name("peers")
_NETDR = "from netdr.cli import main; main()"
# Seconds after which a run has failed, and between two looks at its memory.
_LIMIT_S, _LOOK_S = 300, 0.5


class BenchError(SystemExit):
    """The bench cannot go on, or what it measured does not count."""

    def __init__(self, words: str) -> None:
        super().__init__(f"bench: {words}")


class Contest:
    """The contestants, the devices, and how each contestant is told what to bring about."""

    def __init__(self, at: Place, fleet: Fleet, dask: Cluster) -> None:
        self._at, self._fleet, self._dask = at, fleet, dask
        self._runners = {OURS: "threads", f"{OURS} processes": "processes", f"{OURS} dask": f"dask:{dask.address}"}
        self.most: dict[str, float] = {}
        hosts = {name: _nornir_host(at, address) for name, address in fleet.devices.items()}
        (at.state / "nornir.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")

    def run(self, work: str, start: Text, goal: Text, runs: int, *, dry: bool = False) -> list[Comparison]:
        """Let all bring the devices from ``start`` to ``goal``, in turn; return ours, by runner, against the peer.

        ``dry``: they are only to say what would be done.
        """
        folder = self._at.state / "goal"
        folder.mkdir(exist_ok=True)
        for device, text in goal.items():
            (folder / f"{device}.cfg").write_text(text, encoding="utf-8")
        works = {
            name: (lambda name=name: self._turn(work, name, start, start if dry else goal, dry=dry))
            for name in (*self._runners, PEER)
        }
        found = interleaved(works, runs)
        return [Comparison(_name(work, name), COMMAND, found[name], found[PEER]) for name in self._runners]

    def memory(self) -> list[Comparison]:
        """Return the memory of ours, by runner, against the peer's."""
        peer = (self.most[PEER],)
        return [
            Comparison(_name("memory, MB", name), COMMAND, (self.most[name],), peer, "MB") for name in self._runners
        ]

    def _turn(self, work: str, name: str, start: Text, goal: Text, *, dry: bool) -> float:
        self._fleet.put(start)
        _say(f"{work}, {name} … ")
        begun = time.perf_counter()
        most = self._watched(self._command(name, dry=dry), self._others(name))
        seconds = time.perf_counter() - begun
        if (found := self._fleet.running()) != goal:
            wrong = [device for device in goal if found.get(device) != goal[device]]
            raise BenchError(f"{name}: not as wanted: {len(wrong)} devices, {wrong[0]} first")
        self.most[name] = max(most, self.most.get(name, 0.0))
        _say(f"{seconds:.1f} s, {most:.0f} MB\n")
        return seconds

    def _command(self, name: str, *, dry: bool) -> list[str]:
        if name == PEER:
            folder = str(self._at.state / "goal")
            argv = [f"{PEERS}/nornir_loop.py", str(self._at.state / "nornir.yml"), folder, str(WIDTH)]
            return [sys.executable, *argv, *(["--dry-run"] if dry else [])]
        verb = ["plan"] if dry else ["deploy", "--yes"]
        return [sys.executable, "-c", _NETDR, "-i", str(self._at.folder), *verb, "--runner", self._runners[name]]

    def _others(self, name: str) -> Collection[int]:
        """Return the processes that work for a contestant and are not its children."""
        return [worker.pid for worker in self._dask.workers.values()] if name.endswith("dask") else []

    def _watched(self, argv: list[str], others: Collection[int]) -> float:
        """Run a command and return the most memory, in MB, that it and what works for it had. Raise if it fails."""
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(PEERS)])}
        with tempfile.TemporaryFile("w+") as words:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=words, stderr=words, env=environment)
            limit = threading.Timer(_LIMIT_S, process.kill)
            limit.start()
            most = 0
            try:
                while process.poll() is None:
                    most = max(most, memory([*_family(process.pid), *others]))
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_LOOK_S)
            finally:
                limit.cancel()
                process.kill()
                process.wait()
            if process.returncode:
                words.seek(0)
                raise BenchError(f"ended with {process.returncode}: {' '.join(argv)}\n{words.read()[-3000:]}")
        return most / 1e6


def _family(pid: int) -> list[int]:
    """Return a process and all that come from it."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for thread in threads for word in (thread / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(child))]


def _name(work: str, contestant: str) -> str:
    runner = contestant.removeprefix(OURS).strip()
    return f"scale {DEVICES} {work}{f' {runner}' if runner else ''} vs {PEER}"


def _nornir_host(at: Place, address: str) -> Mapping[str, object]:
    options = {"optional_args": {"key_file": str(at.token)}}
    own = {"hostname": address, "username": "netdr", "password": "", "platform": "emulated"}
    return {**own, "connection_options": {"napalm": {"extras": options}}}


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _one_line_less(text: str) -> str:
    """Return a configuration as it was before its last line came."""
    return "".join(text.splitlines(keepends=True)[:-1])


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(runs: int) -> list[Comparison]:
    """Return all comparisons."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netdr-bench-")))
        _say(f"a district of {DEVICES} devices … ")
        at = place(folder / "district", DEVICES)
        first, full = at.texts()
        fleet = stack.enter_context(running(at, first, COMMIT_S))
        dask = stack.enter_context(cluster(folder, WORKERS))
        _say("up\n")
        contest = Contest(at, fleet, dask)
        before = {device: _one_line_less(text) for device, text in full.items()}
        return [
            *contest.run("plan", before, full, runs, dry=True),
            *contest.run("day-0", first, full, runs),
            *contest.run("one-line change", before, full, runs),
            *contest.run("no change", full, full, runs),
            *contest.memory(),
        ]


if __name__ == "__main__":
    asked = options(__doc__.partition("\n")[0], runs=1)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        found = main(asked.runs)
    except KeyboardInterrupt:
        raise SystemExit("\nbench: interrupted") from None
    show(found, as_json=asked.json)
