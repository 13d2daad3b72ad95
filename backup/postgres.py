"""A PostgreSQL cluster as a source and as a target of backups: dump, restore, query.

Dumps are PostgreSQL's directory format without compression: one file per table, so that restic finds equal blocks
again and a damaged table has a name. They are complete on disk, checked by exit code, before restic sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.host import Result, Shell
from netdr.kernel.errors import BackupError, MissingError, NetdrError, Problems

VERSIONS = Path("/usr/lib/postgresql")
# Names of the files that stand for a database in a staged tree.
DUMP, ROLES = "dump", "roles.sql"
# Seconds for a statement about the catalogue.
QUICK = 60.0
# Parallel workers of a dump or a restore; the databases of one host are handled side by side already.
JOBS = 2
# Runs a program as the account that owns the clusters: nothing of PostgreSQL runs as root.
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--")

# The owner and every other role that an object of the database refers to (PostgreSQL manual, "pg_shdepend").
_ROLES_OF = """
SELECT rolname FROM pg_roles WHERE oid IN (
  SELECT datdba FROM pg_database WHERE datname = :name
  UNION SELECT refobjid FROM pg_shdepend JOIN pg_database d ON dbid = d.oid OR (dbid = 0 AND objid = d.oid)
    WHERE refclassid = 'pg_authid'::regclass AND datname = :name
) AND rolname !~ '^pg_' AND rolname <> 'postgres' ORDER BY 1
"""


# plpgsql is part of every server.
_EXTENSIONS = "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
_SERVER, _EXTENSION = "-- server ", "-- extension "


@dataclass(frozen=True, slots=True)
class Needs:
    """What a saved database asks of the server it is restored to: its version (150018 is 15.18), extensions."""

    server: int
    extensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster. ``prefix`` goes before every client; ``socket`` is its directory, None for the default one."""

    shell: Shell
    programs: Path
    prefix: tuple[str, ...] = ()
    socket: Path | None = None
    port: int = 5432

    def client(self, program: str, *arguments: str) -> list[str]:
        """Return the command line of a client program, connected as the superuser."""
        place = ["-h", str(self.socket)] if self.socket else []
        connection = [*place, "-p", str(self.port), "-U", "postgres"]
        return [*self.prefix, str(self.programs / program), *connection, *arguments]

    def run(self, program: str, *arguments: str, limit: float, stdin: str = "") -> Result:
        """Run a client program. Raise BackupError with its own words if it fails."""
        result = self.shell.run(self.client(program, *arguments), limit=limit, stdin=stdin)
        if result.code != 0:
            raise BackupError(f"{program} failed", where=self.shell.name, why=_cause(result))
        return result

    def query(self, sql: str, database: str = "postgres", limit: float = QUICK) -> list[list[str]]:
        """Return the rows of ``sql`` as text. Raise BackupError with PostgreSQL's words if it fails."""
        flags = ["-X", "-A", "-t", "-q", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", database]
        out = self.run("psql", *flags, limit=limit, stdin=sql).out
        return [row.split("\x1f") for row in out.splitlines()]

    def has(self, database: str) -> bool:
        """Return whether there is such a database."""
        sql = "SELECT 1 FROM pg_database WHERE datname = :name"
        return bool(self.query(sql.replace(":name", literal(database))))

    def dump(self, database: str, into: Path, limit: float) -> None:
        """Write the database to the new folder ``into``, which the server's account must be able to make."""
        flags = ["--format=directory", "--compress=0", f"--jobs={JOBS}", "--lock-wait-timeout=30s", f"--file={into}"]
        self.run("pg_dump", *flags, f"--dbname={database}", limit=limit)

    def roles(self, database: str) -> str:
        """Return the SQL that makes the roles a database refers to, with their password hashes and memberships.

        Its first lines, comments, are what ``needs`` reads: the server's version and the extensions with theirs.
        """
        sql = _ROLES_OF.replace(":name", literal(database))
        names = [row[0] for row in self.query(sql)]
        ((version,),) = self.query("SHOW server_version_num")
        lines = [f"{_SERVER}{version}", *(f"{_EXTENSION}{' '.join(row)}" for row in self.query(_EXTENSIONS, database))]
        head = "".join(f"{line}\n" for line in lines)
        return head + select_roles(self.run("pg_dumpall", "--roles-only", limit=QUICK).out, names)

    def require(self, roles: str) -> None:
        """Raise Problems unless a database with these ``roles`` can be restored here: version and extensions.

        Nothing is touched. Roles that were saved by a netdr which did not write down what they need are let pass.
        """
        wanted = needs(roles)
        ((version,),) = self.query("SHOW server_version_num")
        available = {row[0] for row in self.query("SELECT name FROM pg_available_extensions")}
        problems: list[NetdrError] = []
        if wanted.server // 10000 > int(version) // 10000:
            what = f"PostgreSQL {int(version) // 10000} cannot take what {wanted.server // 10000} has saved"
            problems.append(BackupError(what, where=self.shell.name, hint="upgrade PostgreSQL on this host"))
        for name in sorted(wanted.extensions.keys() - available):
            what = f"the extension '{name}' {wanted.extensions[name]} is not installed"
            hint = f"install its package on this host: apt-cache search postgresql-{int(version) // 10000} {name}"
            problems.append(BackupError(what, where=self.shell.name, hint=hint))
        if problems:
            raise Problems(problems)

    def restore(self, folder: Path, roles: str, limit: float) -> None:
        """Make the database that was dumped to ``folder``, with all its properties, and the roles it needs.

        It must not exist yet. Raise Problems as ``require`` does, BackupError at the first thing that cannot be had.
        """
        self.require(roles)
        existing = {row[0] for row in self.query("SELECT rolname FROM pg_roles")}
        self.query(only_new_roles(roles, existing))
        flags = ["--create", "--exit-on-error", "--no-tablespaces", f"--jobs={JOBS}", "--dbname=postgres"]
        self.run("pg_restore", *flags, str(folder), limit=limit)


def main_cluster(shell: Shell) -> Cluster:
    """Return the host's main cluster, reached on its local socket as the account postgres."""
    return Cluster(shell, programs(VERSIONS), prefix=AS_POSTGRES)


def programs(versions: Path) -> Path:
    """Return the folder of the newest PostgreSQL installed: its clients work with every older server.

    Raise MissingError if there is none.
    """
    found = [path for path in versions.glob("*/bin") if path.parent.name.isdigit()]
    if not found:
        raise MissingError("PostgreSQL is not installed", where=str(versions), hint="apt-get install postgresql")
    return max(found, key=lambda path: int(path.parent.name))


def needs(roles: str) -> Needs:
    """Return what is written in the first lines of saved roles, nothing needed if there are no such lines."""
    server, extensions = 0, dict[str, str]()
    for line in roles.splitlines():
        if line.startswith(_SERVER):
            server = int(line.removeprefix(_SERVER))
        elif line.startswith(_EXTENSION):
            name, _, version = line.removeprefix(_EXTENSION).partition(" ")
            extensions[name] = version
    return Needs(server, extensions)


def select_roles(sql: str, names: Sequence[str]) -> str:
    """Given the output of ``pg_dumpall --roles-only``, return the statements about ``names`` only."""
    role = "|".join(re.escape(form) for name in names for form in (name, identifier(name)))
    if not role:
        return ""
    about = re.compile(rf"(CREATE ROLE|ALTER ROLE) ({role})[ ;]|GRANT \S+ TO ({role})[ ;]")
    return "".join(f"{line}\n" for line in sql.splitlines() if about.match(line))


def only_new_roles(sql: str, existing: set[str]) -> str:
    """Return the statements without those that would make a role a second time."""

    def known(line: str) -> bool:
        found = re.match(r'CREATE ROLE "?([^";]+)"?;', line)
        return bool(found and found[1] in existing)

    return "".join(f"{line}\n" for line in sql.splitlines() if not known(line))


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return an SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def _cause(result: Result) -> str:
    # A client that fails names the cause first and what it gave up last: both belong in the message.
    lines = [line.strip() for line in result.err.splitlines() if "error" in line.lower() or "FATAL" in line]
    return " | ".join(dict.fromkeys(lines[:2])) or result.last_words
