import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lab.apps import database
from lab.apps.casework import Casework, Database
from netdr.kernel.errors import MissingError

DATA = Path(database.__file__).parent / "data"


def ask(app: Casework, method: str, target: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    said = []
    parts = app(environ, lambda status, _headers, _exc=None: said.append(status))  # type: ignore[arg-type,func-returns-value]
    return int(said[0][:3]), json.loads(b"".join(parts))


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/", b"", 404),
        ("DELETE", "/cases", b"", 404),
        ("POST", "/cases", b"", 400),
        ("POST", "/cases", b"[]", 400),
        ("POST", "/cases", b'{"unit": "u1"}', 400),
        ("POST", "/cases", b'{"unit": "", "seq": 1}', 400),
        ("POST", "/cases", b'{"unit": "u1", "seq": 0}', 400),
        ("POST", "/cases", b'{"unit": "u1", "seq": true}', 400),
        ("POST", "/cases", b'{"unit": "u1", "seq": 9223372036854775808}', 400),
        ("POST", "/cases", b" " * 4097, 400),
        ("GET", "/cases", b"", 400),
        ("GET", "/cases?unit=u1&after=-1", b"", 400),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_without_the_database(
    method: str, target: str, body: bytes, status: int
) -> None:
    found, answer = ask(Casework(Database("nowhere")), method, target, body)
    assert found == status
    assert answer["error"]


class Cluster:
    """A PostgreSQL cluster of the test's own, on a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "postgres" if os.geteuid() == 0 else None
        self.programs = database.PROGRAMS / database.version() / "bin"
        if self.user:
            shutil.chown(folder, self.user)
            for parent in folder.parents[:3]:
                parent.chmod(parent.stat().st_mode | 0o011)

    def run(self, program: str, *argv: str, text: str = "") -> str:
        done = subprocess.run(
            (str(self.programs / program), *argv),
            input=text,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
            user=self.user,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self) -> None:
        data = f"--pgdata={self.folder}/data"
        self.run("initdb", data, "--no-sync", "--auth=trust", "--username=postgres", "--locale=C.UTF-8")
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n")

    def start(self) -> None:
        self.run("pg_ctl", "start", "--silent", f"--pgdata={self.folder}/data", f"--log={self.folder}/log")

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "--silent", "--mode=immediate", f"--pgdata={self.folder}/data")

    def sql(self, name: str, text: str) -> str:
        argv = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1")
        return self.run("psql", *argv, f"--host={self.folder}", "--username=postgres", f"--dbname={name}", text=text)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        database.version()
    except MissingError as error:
        pytest.skip(str(error))
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    found.create()
    found.start()
    for data_set in ("approval", "record"):
        found.sql("postgres", f"create role {data_set} login; ")
        found.sql("postgres", f"create database {data_set} owner {data_set};")
        text = (DATA / f"{data_set}.sql").read_text(encoding="utf-8")
        found.sql(data_set, f"set role {data_set};\n{text}")
    yield found
    found.stop()


@contextmanager
def app(cluster: Cluster, data_set: str) -> Iterator[Casework]:
    with closing(Database(data_set, host=str(cluster.folder))) as opened:
        yield Casework(opened)


@pytest.mark.tools
@pytest.mark.parametrize("data_set", ["approval", "record"])
def test_an_acknowledged_case_is_in_the_database(cluster: Cluster, data_set: str) -> None:
    with app(cluster, data_set) as served:
        status, case = ask(served, "POST", "/cases", b'{"unit": "u1", "seq": 1}')
        assert status == 201
        assert f"{case['id']}|u1|1\n" in cluster.sql(data_set, "select id, unit, seq from accepted")
        assert ask(served, "GET", "/health") == (200, {"database": "answers"})


@pytest.mark.tools
def test_cases_are_listed_by_unit_from_a_number_on(cluster: Cluster) -> None:
    with app(cluster, "approval") as served:
        ids = [ask(served, "POST", "/cases", b'{"unit": "list", "seq": %d}' % seq)[1]["id"] for seq in (1, 2, 3)]
        listed = {"unit": "list", "count": 3, "last_seq": 3, "ids": ids[1:]}
        assert ask(served, "GET", "/cases?unit=list&after=1") == (200, listed)
        nothing = {"unit": "none", "count": 0, "last_seq": 0, "ids": []}
        assert ask(served, "GET", "/cases?unit=none") == (200, nothing)


@pytest.mark.tools
def test_the_approval_data_set_is_what_the_service_promises(cluster: Cluster) -> None:
    counts = "select (select count(*) from bureau), (select count(*) from permit_item)"
    assert cluster.sql("approval", counts) == "27|114\n"
    # The 115th case is about the same item as the first again.
    with app(cluster, "approval") as served:
        for seq in (1, 115):
            ask(served, "POST", "/cases", b'{"unit": "round", "seq": %d}' % seq)
    items = cluster.sql("approval", "select count(distinct permit_item_id) from case_file where unit = 'round'")
    assert items == "1\n"


@pytest.mark.tools
def test_acknowledged_cases_survive_a_crash_of_the_server_and_the_program_connects_again(cluster: Cluster) -> None:
    with app(cluster, "record") as served:
        cases = [ask(served, "POST", "/cases", b'{"unit": "crash", "seq": %d}' % n)[1]["id"] for n in range(1, 21)]
        cluster.stop()
        assert ask(served, "POST", "/cases", b'{"unit": "crash", "seq": 21}')[0] == 503
        assert ask(served, "GET", "/health")[0] == 503
        cluster.start()
        assert ask(served, "GET", "/cases?unit=crash")[1]["ids"] == cases


@pytest.mark.tools
def test_a_database_without_its_tables_is_not_healthy(cluster: Cluster) -> None:
    cluster.sql("postgres", "create role empty login;")
    cluster.sql("postgres", "create database empty owner empty;")
    with app(cluster, "empty") as served:
        status, answer = ask(served, "GET", "/health")
    assert status == 503
    assert "public.accepted" in str(answer["error"])


@pytest.mark.tools
def test_a_database_that_is_not_there_is_not_healthy(cluster: Cluster) -> None:
    with app(cluster, "nowhere") as served:
        status, answer = ask(served, "GET", "/health")
    assert status == 503
    assert 'role "nowhere" does not exist' in str(answer["error"])
