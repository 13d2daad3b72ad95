"""What a proof of restore costs over plain restic and programs by hand, and how many services two cores prove at once.

*proof files*: 1 GB in 10,000 files. The peer restores them, hashes every one with sha256sum and removes them. netdr
also reads its share of the stored bytes, compares every file with the manifest made at the source, starts the
service's own program in isolation, reads a page through it and keeps the evidence.

*proof database*: a dump of 1 GB. The peer restores it, hashes it, makes a cluster, loads it and counts. netdr does all
that and the above.

*parallel proof*: five services with a database and a tree each; the peer is netdr proving one after the other.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from data import LIMIT, fill, load
from measure import OURS, Comparison, comparisons, interleaved, options, show, timed
from stand import PROTECTION, Stand, database, folder, quiet, stand

from backup import work
from backup.acts import acts
from backup.duty import Duty
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, Cluster
from backup.restic import open_arguments
from inventory.asset import Files, Postgres, Service
from inventory.entry import Name
from lab import services

COMMAND = "./run bench proofs"
PEER = "restic and sha256sum"
BY_HAND = "restic, sha256sum and pg_restore"
ONE_BY_ONE = "one after the other"
# The services of `parallel proof`: so many, with so many files of so many bytes, and so many rows each.
SERVICES, TREE, SIZE, ROWS = 5, 400, 50_000, 20_000
COUNT = "SELECT count(*) FROM pgbench_accounts"


@dataclass(frozen=True)
class Bench:
    """The hosts, the database server of the home site, and a folder to work in."""

    stand: Stand
    cluster: Cluster
    work: Path

    @property
    def machine(self) -> Machine:
        """The DR host."""
        return self.stand.standby

    def duties(self, *names: str) -> Sequence[Duty]:
        """Return the DR host's duties for these assets."""
        return self.machine.book.select(names)


def main() -> None:
    """Run the bench and print its table."""
    given = options(__doc__.splitlines()[0] if __doc__ else "", runs=3)
    show(figures(given.runs), as_json=given.json)


def figures(runs: int) -> list[Comparison]:
    """Return what the bench measures in so many rounds."""
    with ExitStack() as stack:
        root = stack.enter_context(folder())
        cluster = stack.enter_context(database(root))
        found = _assets(root)
        _prepare(root, cluster)
        place = stack.enter_context(stand(root, found, lambda: cluster))
        layout = place.standby.layout
        for number, asset in enumerate(found):
            for path, file in services.program(
                asset, f"10.9.8.{number + 1}", layout.services, layout.services.parent / "apps"
            ).items():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(file.content, encoding="utf-8")
                Path(path).chmod(file.mode)
        names = [asset.id for asset in found]
        _good(place.home, "run", place.home.book.select(names))
        bench = Bench(place, cluster, root / "by-hand")
        bench.work.mkdir(mode=0o711)
        return [
            one for name, sides in _works(bench).items() for one in comparisons(name, COMMAND, interleaved(sides, runs))
        ]


def _works(bench: Bench) -> dict[str, dict[str, Callable[[], float]]]:
    several = [f"s{number}" for number in range(SERVICES)]
    return {
        "proof files": {OURS: _ours(bench, "files"), PEER: _by_hand(bench, "files", _restore_and_hash)},
        "proof database": {OURS: _ours(bench, "database"), BY_HAND: _by_hand(bench, "database", _load_too)},
        "parallel proof": {
            OURS: _ours(bench, *several),
            ONE_BY_ONE: lambda: timed(lambda: [_ours(bench, name)() for name in several]),
        },
    }


def _ours(bench: Bench, *names: str) -> Callable[[], float]:
    return lambda: timed(lambda: _good(bench.machine, "verify", bench.duties(*names)))


def _good(machine: Machine, verb: str, duties: Sequence[Duty]) -> None:
    reports = work.do(machine, verb, duties, acts()[verb], quiet)
    problems = [problem.report() for report in reports for problem in report.problems]
    if problems:
        raise SystemExit("\n".join(problems))


def _by_hand(bench: Bench, name: str, act: Callable[[Bench, str, Path], None]) -> Callable[[], float]:
    top = bench.work / name

    def prove() -> None:
        try:
            act(bench, name, top)
        finally:
            # netdr leaves nothing behind either.
            _run(["rm", "-rf", str(top)])

    return lambda: timed(prove)


def _restore_and_hash(bench: Bench, name: str, top: Path) -> None:
    opened = open_arguments(bench.machine.layout.disk(name))
    _run(["restic", "restore", "latest", "--no-lock", "--no-cache", "--quiet", *opened, "--target", str(top)])
    _run(["sh", "-c", 'find "$0" -type f -print0 | xargs -0 sha256sum', str(top)])


def _load_too(bench: Bench, name: str, top: Path) -> None:
    _restore_and_hash(bench, name, top)
    _run(["chown", "-R", "postgres:postgres", str(top)])
    programs, data, socket = bench.cluster.programs, top / "pg", ["-h", str(top), "-U", "postgres"]
    settings = f"-c listen_addresses= -c unix_socket_directories={top} -c fsync=off -c max_wal_size=4GB"
    as_server = [*AS_POSTGRES, "env", "TZ=UTC"]
    _run([*as_server, f"{programs}/initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-D", str(data)])
    # Its log is a file: a server that held our pipe would never let us go.
    _run([*as_server, f"{programs}/pg_ctl", "start", "-w", "-s", "-D", str(data), "-o", settings, "-l", f"{top}/log"])
    try:
        dump = top / "postgresql" / "bench"
        _run([*as_server, f"{programs}/psql", *socket, "-q", "-f", str(dump / "roles.sql")])
        restore = ["--create", "--exit-on-error", "--jobs=2", "--dbname=postgres", str(dump / "dump")]
        _run([*as_server, f"{programs}/pg_restore", *socket, *restore])
        _run([*as_server, f"{programs}/psql", *socket, "-d", "bench", "-c", COUNT])
    finally:
        _run([*as_server, f"{programs}/pg_ctl", "stop", "-m", "immediate", "-D", str(data)])


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, capture_output=True, cwd="/", timeout=LIMIT)


def _assets(root: Path) -> list[Service]:
    big = Postgres(
        kind="postgresql", database="bench", queries={"accounts": "SELECT count(*) > 0 FROM pgbench_accounts"}
    )
    return [
        _service("files", "pages", _tree(root / "data")),
        _service("database", "casework", big),
        *(
            _service(
                f"s{number}", "casework", Postgres(kind="postgresql", database=f"s{number}"), _tree(root / f"s{number}")
            )
            for number in range(SERVICES)
        ),
    ]


def _tree(top: Path) -> Files:
    return Files(kind="files", path=str(top), url="/")


def _service(name: str, app: str, *data: Files | Postgres) -> Service:
    return Service(
        id=name,
        name=Name(zh=name, en=name),
        home="a",
        standby="b",
        protection=PROTECTION.id,
        tier=1,
        app=app,
        ports=("tcp/80",),
        data=data,
    )


def _prepare(root: Path, cluster: Cluster) -> None:
    """Make the data: a tree and a database of 1 GB, and those of the five services."""
    fill(root / "data")
    (root / "data" / "index.html").write_text("bench\n", encoding="utf-8")
    load(cluster)
    chance = random.Random(2)  # noqa: S311 - the same data each time
    records = (services.DATA / "record.sql").read_text(encoding="utf-8")
    for number in range(SERVICES):
        top = root / f"s{number}"
        top.mkdir()
        (top / "index.html").write_text("bench\n", encoding="utf-8")
        for name in range(TREE):
            (top / f"{name:03}").write_bytes(chance.randbytes(SIZE))
        cluster.query(f"CREATE ROLE {top.name} LOGIN")
        cluster.query(f"CREATE DATABASE {top.name} OWNER {top.name}")
        cluster.query(f"SET ROLE {top.name}; {records}", top.name)
        cluster.query(f"SELECT accept('unit', i) FROM generate_series(1, {ROWS}) i", top.name)  # noqa: S608 - a constant
    cluster.query("CREATE ROLE bench LOGIN")
    cluster.query("ALTER DATABASE bench OWNER TO bench")
    cluster.query(f"SET ROLE bench; {records}", "bench")


if __name__ == "__main__":
    main()
