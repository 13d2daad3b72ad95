"""The database server of a services host: Debian's cluster ``main``, for programs on its local socket.

``python -m lab.apps.database /etc/netdr/apps/database.json`` runs at every boot of the node. It makes the cluster when
the node's disk has none of its own, with a role for each database and, at the site where the services start their
lives, the databases with their first data. Then, and at every later boot, it starts the server.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from netdr.kernel.errors import LabError, MissingError, NetdrError

PROGRAMS = Path("/usr/lib/postgresql")
CONFIGURATION = Path("/etc/postgresql")
DATA = Path("/var/lib/postgresql")
SOCKETS = Path("/run/postgresql")
# Written last: a disk without it has no whole cluster of the node's own, only what is left of one or the machine's.
COMPLETE = DATA / "netdr-complete"
ADMIN = "postgres"
AS_ADMIN = ("setpriv", f"--reuid={ADMIN}", f"--regid={ADMIN}", "--init-groups")


@dataclass(frozen=True, slots=True)
class Databases:
    """A host's cluster: the file with its settings, its roles, and the SQL file of each database that is made."""

    settings: str
    roles: tuple[str, ...]
    load: Mapping[str, str]


def version() -> str:
    """Return the newest PostgreSQL installed, as Debian names its folders. Raise MissingError if there is none."""
    found = [path.parents[1].name for path in PROGRAMS.glob("*/bin/initdb")]
    if not found:
        raise MissingError("PostgreSQL is not installed", where=str(PROGRAMS), hint="apt-get install postgresql")
    return max(found, key=float)


def start() -> None:
    """Start the host's cluster unless it answers already. Raise LabError with the server's words if it cannot start."""
    SOCKETS.mkdir(parents=True, exist_ok=True)
    shutil.chown(SOCKETS, ADMIN, ADMIN)
    if not answers():
        # As pg_ctlcluster does it, without its two seconds of waiting.
        found = version()
        options = f"-c config_file={CONFIGURATION / found / 'main' / 'postgresql.conf'}"
        log = f"--log=/var/log/postgresql/postgresql-{found}-main.log"
        data = f"--pgdata={DATA / found / 'main'}"
        program = str(PROGRAMS / found / "bin" / "pg_ctl")
        run((*AS_ADMIN, program, "start", "--silent", data, log, f"--options={options}"))


def answers() -> bool:
    """Return whether the server takes connections."""
    try:
        run(("pg_isready", "--quiet", f"--host={SOCKETS}", "--timeout=3"))
    except LabError:
        return False
    return True


def create(databases: Databases) -> None:
    """Make the cluster, its roles and databases. Raise LabError with PostgreSQL's words if anything fails."""
    _make_way()
    initdb = ("--no-sync", "--data-checksums", "--no-instructions")
    run(("pg_createcluster", "--port=5432", "--locale=C.UTF-8", version(), "main", "--", *initdb))
    included = CONFIGURATION / version() / "main" / "conf.d" / "netdr.conf"
    included.write_text(f"include '{databases.settings}'\n", encoding="utf-8")
    start()
    _sql("postgres", "".join(f"create role {_name(role)} login;\n" for role in databases.roles))
    for database, source in databases.load.items():
        _sql("postgres", f"create database {_name(database)} owner {_name(database)};")
        _sql(database, f"set role {_name(database)};\n{Path(source).read_text(encoding='utf-8')}")
    COMPLETE.touch()


def _name(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _sql(database: str, text: str) -> None:
    argv = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={SOCKETS}", f"--dbname={database}")
    run((*AS_ADMIN, *argv), text=text)


def _make_way() -> None:
    """Remove the machine's clusters from the node's view: its root is an overlay, so they are only hidden.

    Raise LabError anywhere else, where they would really be gone.
    """
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    if not any(line.split()[4] == "/" and " - overlay " in line for line in mounts):
        raise LabError("this is not a node of the lab, so its databases stay as they are", hint="netdr lab exec NODE")
    for folder in (CONFIGURATION, DATA):
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main(path: str) -> int:
    """Make the cluster described by the JSON file at ``path`` if need be and start it; return the exit code."""
    try:
        wanted = json.loads(Path(path).read_text(encoding="utf-8"))
        if COMPLETE.exists():
            start()
        else:
            create(Databases(wanted["settings"], tuple(wanted["roles"]), wanted["load"]))
    except NetdrError as error:
        sys.stderr.write(f"{error.report()}\n")
        return error.exit_code
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
