"""What a run of netdr costs over plain restic doing the same: 1 GB in 10,000 files, a 1 GB database, nothing changed.

Both save to a repository at home and copy it to the same append-only server over TLS. netdr also hashes every file,
keeps a manifest and a ledger, and makes sure that what it saved and copied is there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import measure
import newer
import proofs
import streaming
from data import LIMIT, fill, load
from measure import OURS, Comparison, comparisons, interleaved, timed
from stand import Stand, database, folder, quiet, stand, wait_for

from backup import acts, heal, work
from backup.duty import Duty
from backup.machine import Machine
from backup.postgres import JOBS, Cluster
from backup.report import JobReport, Progress
from backup.restic import from_arguments, open_arguments
from inventory.asset import Asset, Files, Postgres
from inventory.entry import Name

COMMAND = "./run bench backup"
PEER = "restic"
# How often the home site is lost for the RPO: its worst case is wanted.
DISASTERS = 10


@dataclass(frozen=True)
class Bench:
    """Where it all is, and the restic that both use."""

    stand: Stand
    cluster: Cluster
    data: Path
    program: str

    @property
    def machine(self) -> Machine:
        """The home host."""
        return self.stand.with_restic(self.program).home


def main() -> None:
    """Run the bench and print its table."""
    options = measure.options(__doc__.splitlines()[0] if __doc__ else "", runs=3)
    found: list[Comparison] = []
    with ExitStack() as stack:
        root = stack.enter_context(folder())
        cluster = stack.enter_context(database(root))
        fill(root / "data")
        load(cluster)
        place = stack.enter_context(stand(root, _assets(root / "data"), lambda: cluster))
        for program, suffix in _programs():
            bench = Bench(place, cluster, root / "data", program)
            found += _compare(bench, suffix, options.runs)
        found += _wasted(Bench(place, cluster, root / "data", "restic"))
    _say("proofs")
    found += proofs.figures(options.runs)
    _say("streaming")
    found += streaming.compared(DISASTERS)
    measure.show(found, as_json=options.json)


def _programs() -> Iterator[tuple[str, str]]:
    yield "restic", ""
    try:
        program = str(newer.restic())
    except newer.UnreachableError as error:
        _say(f"without the newest restic: {error}")
        return
    words = subprocess.run([program, "version"], capture_output=True, text=True, check=True, timeout=30).stdout.split()
    yield program, f" (restic {words[1]})"


def _compare(bench: Bench, suffix: str, runs: int) -> list[Comparison]:
    works: dict[str, dict[str, Callable[[], float]]] = {
        "run files": {OURS: _ours(bench, "files", fresh=True), PEER: _plain(bench, "plain", fresh=True)},
        "run unchanged": {OURS: _ours(bench, "files", fresh=False), PEER: _plain(bench, "plain", fresh=False)},
        "run database": {OURS: _ours(bench, "database", fresh=True), PEER: _plain_dump(bench)},
    }
    found: list[Comparison] = []
    for name, sides in works.items():
        _say(f"{name}{suffix}")
        bench.stand.fresh()
        if name == "run unchanged":
            for side in sides.values():
                side()
        found += comparisons(f"{name}{suffix}", COMMAND, interleaved(sides, runs))
    return found


def _ours(bench: Bench, asset: str, *, fresh: bool) -> Callable[[], float]:
    machine = bench.machine

    def run() -> float:
        if fresh:
            bench.stand.fresh()
        return timed(lambda: _do(machine, asset))

    return run


def _do(machine: Machine, asset: str) -> None:
    _good(work.do(*_call(machine, "run", asset)))


def _call(machine: Machine, verb: str, asset: str) -> tuple[Machine, str, Sequence[Duty], acts.Act, Progress]:
    return machine, verb, machine.book.select([asset]), acts.acts()[verb], quiet


def _good(reports: Sequence[JobReport]) -> None:
    problems = [problem.report() for report in reports for problem in report.problems]
    if problems:
        raise SystemExit("\n".join(problems))


def _plain(bench: Bench, asset: str, *, fresh: bool) -> Callable[[], float]:
    def run() -> float:
        if fresh:
            bench.stand.fresh()
        return timed(lambda: _save_and_copy(bench, asset, bench.data))

    return run


def _plain_dump(bench: Bench) -> Callable[[], float]:
    target = bench.stand.root / "plain-dump"

    def save() -> None:
        flags = ("--format=directory", "--compress=0", f"--jobs={JOBS}", f"--file={target}/d", "--dbname=bench")
        _run([*bench.cluster.client("pg_dump", *flags)])
        _save_and_copy(bench, "plain", target)

    def run() -> float:
        bench.stand.fresh()
        target.mkdir()
        shutil.chown(target, "postgres", "postgres")
        try:
            return timed(save)
        finally:
            shutil.rmtree(target)

    return run


def _save_and_copy(bench: Bench, asset: str, data: Path) -> None:
    layout, cache = bench.stand.home.layout, ["--cache-dir", f"{bench.stand.root}/plain-cache"]
    home, far = layout.home(asset), layout.standby(asset, bench.stand.home.book.server)
    _run([bench.program, "backup", "--quiet", *open_arguments(home), *cache, str(data)])
    _run([bench.program, "copy", "--quiet", *from_arguments(home), *open_arguments(far), *cache])


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, capture_output=True, cwd="/", timeout=LIMIT)


def _assets(data: Path) -> list[Asset]:
    names = {"files": Files(kind="files", path=str(data)), "plain": Files(kind="files", path=str(data))}
    sources: dict[str, Files | Postgres] = {**names, "database": Postgres(kind="postgresql", database="bench")}
    return [
        Asset(id=name, name=Name(zh=name, en=name), home="a", standby="b", protection="bench", data=(one,))
        for name, one in sources.items()
    ]


def _wasted(bench: Bench) -> list[Comparison]:
    """Return what a kill halfway costs, with netdr's healing and with plain restic run again after an unlock.

    The share of what had been stored, or sent, that was stored or sent a second time.
    """
    found = []
    for verb, side in (("run", "home"), ("copy", "dr")):
        _say(f"wasted {verb}")
        stored = bench.stand.root / side / "srv" / "restic" / "files"
        bench.stand.fresh()
        _do(bench.machine, "files")
        whole = _bytes(stored / "data")
        ours, plain = (_waste(bench, verb, stored, whole, heals=heals) for heals in (True, False))
        found.append(Comparison(f"wasted {verb} vs {PEER} without healing", COMMAND, (ours,), (plain,), unit="share"))
    return found


def _waste(bench: Bench, verb: str, stored: Path, whole: int, *, heals: bool) -> float:
    bench.stand.fresh()
    _do_killed(bench, "backup" if verb == "run" else "copy", stored / "data", whole // 2)
    before = _bytes(stored / "data")
    if not heals:
        shutil.rmtree(bench.machine.layout.state / "jobs")
        for lock in (stored / "locks").iterdir():
            lock.unlink()
    elif verb == "copy":
        # The next copy's first act, before the DR site is asked to index what arrived.
        _unlock(bench)
        dr = bench.stand.standby
        _good(work.do(*_call(dr, "tend", "files")))
    _do(bench.machine, "files")
    return max(_bytes(stored / "data") - whole, 0) / before


def _unlock(bench: Bench) -> None:
    home = bench.stand.home
    far = home.layout.standby("files", home.book.server)
    heal.mend(home, far, "files", writable=False)


def _do_killed(bench: Bench, command: str, stored: Path, enough: int) -> None:
    """Begin a run and kill the restic that does ``command`` when it has stored enough bytes."""
    machine = bench.machine
    run = threading.Thread(target=work.do, args=_call(machine, "run", "files"))
    run.start()
    wait_for(lambda: any((machine.layout.state / "jobs").glob(f"{command}-*.json")), LIMIT)
    wait_for(lambda: _bytes(stored) >= enough, LIMIT)
    job = next((machine.layout.state / "jobs").glob(f"{command}-*.json"))
    os.kill(json.loads(job.read_text())["process"]["pid"], signal.SIGKILL)
    run.join()


def _say(words: str) -> None:
    sys.stderr.write(f"bench: {words}\n")


def _bytes(top: Path) -> int:
    return sum(path.stat().st_size for path in top.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
