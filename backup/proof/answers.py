"""Level 4: the restored data answers as it should. Databases are asked in SQL, services over HTTP at their address."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from backup import fetch, source
from backup.host import Shell
from backup.manifest import Entry
from backup.postgres import Cluster
from backup.restored import Restored
from inventory.asset import Files, Postgres
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError

# Seconds for one assertion or one page.
LIMIT = 60.0
READABLE_BY_ALL = 0o004


@dataclass(frozen=True, slots=True)
class Site:
    """Where in a bubble pages are served, and who asks for them: the bubble, or a guest in it."""

    bubble: Shell
    address: str
    port: int

    def get(self, path: str) -> Mapping[str, object]:
        """Return ``status``, ``sha256``, ``bytes`` and ``text`` of a page. Raise ProofError if there is no answer."""
        argv = [sys.executable, "-I", fetch.__file__, self.address, str(self.port), path]
        got = self.bubble.run(argv, limit=LIMIT)
        if got.code != 0:
            where = f"http://{self.address}:{self.port}{path}"
            raise ProofError("the service does not answer", where=where, why=got.last_words)
        found: Mapping[str, object] = json.loads(got.out)
        return found


def queries(cluster: Cluster, databases: Sequence[Postgres]) -> Mapping[str, bool]:
    """Ask every query of every database and return the answers by the queries' names.

    Raise Problems with each whose first row is not the single value true.
    """
    wrong: list[NetdrError] = []
    answers: dict[str, bool] = {}
    for one in databases:
        for name, sql in one.queries.items():
            rows = _rows(cluster, sql, one.database)
            answers[name] = rows[:1] == [["t"]]
            if not answers[name]:
                what = f"the query '{name}' is not true on the restored database '{one.database}'"
                hint = "its first row must be the single value true"
                wrong.append(ProofError(what, why=f"it answers {rows[:3]}", hint=hint))
    if wrong:
        raise Problems(wrong)
    return answers


def canaries(cluster: Cluster, databases: Sequence[Postgres], as_of: datetime) -> Mapping[str, object]:
    """Return, by database, its newest heartbeat and ``rpo_s``: how many seconds before ``as_of`` that was written.

    Both None where the table is empty. A negative figure is a heartbeat of the moments while the dump began. Raise
    ProofError if the query fails or is no time.
    """
    return {one.database: _canary(cluster, one, as_of) for one in databases if one.canary}


def records(cluster: Cluster, databases: Sequence[Postgres], site: Site) -> Mapping[str, object]:
    """Read the records named in the inventory through the service and compare them with the database below it.

    Return by name the page asked for, None where the database has no such record. Raise Problems with all that differ.
    """
    wrong: list[NetdrError] = []
    found: dict[str, object] = {}
    for one in databases:
        for name, wanted in one.records.items():
            try:
                found[name] = _record(cluster, one.database, wanted.sql, wanted.get, site)
            except (BackupError, ProofError) as error:
                what = f"the record '{name}' cannot be read through the service: {error.what}"
                wrong.append(ProofError(what, where=error.where, why=error.why, hint=error.hint))
    if wrong:
        raise Problems(wrong)
    return found


def page(site: Site, tree: Files, back: Restored) -> Mapping[str, object]:
    """Ask for one page of a restored tree and return ``path``, ``page``, ``port``, ``bytes``; no page if none is open.

    Raise ProofError if it is not byte for byte what the manifest says.
    """
    top = str(source.files_folder(Path(), tree))
    wanted = landing_page(back.manifest.entries, top)
    if wanted is None:
        return {"path": tree.path, "page": None}
    url = quote(f"{tree.url.rstrip('/')}/{wanted.path.removeprefix(f'{top}/')}")
    answer = site.get(url)
    if (answer["status"], answer["sha256"]) != (HTTPStatus.OK, wanted.digest):
        why = f"status {answer['status']}, {answer['bytes']} bytes"
        raise ProofError(f"the page {url} is not served from the restored files as it was", where=tree.path, why=why)
    return {"path": tree.path, "page": url, "port": site.port, "bytes": answer["bytes"]}


def landing_page(entries: Sequence[Entry], top: str) -> Entry | None:
    """Return the file below ``top`` to ask a web server for, None if no file may be read by every account.

    It is the index.html nearest to the top or else the smallest file.
    """
    readable = [e for e in entries if e.kind == "file" and e.path.startswith(f"{top}/") and e.mode & READABLE_BY_ALL]
    indexes = [entry for entry in readable if entry.path.endswith("/index.html")]
    if indexes:
        return min(indexes, key=lambda entry: (entry.path.count("/"), entry.path))
    return min(readable, key=lambda entry: (entry.size, entry.path), default=None)


def _rows(cluster: Cluster, sql: str, database: str) -> list[list[str]]:
    try:
        return cluster.query(sql, database, limit=LIMIT)
    except BackupError as error:
        return [[error.why]]


def _canary(cluster: Cluster, one: Postgres, as_of: datetime) -> Mapping[str, object]:
    # In whole microseconds of Unix time: exact, and the same whatever the server's time zone and style of dates.
    sql = f"SELECT (extract(epoch FROM ({one.canary.rstrip('; ')})::timestamptz) * 1000000)::bigint"  # noqa: S608
    try:
        value = cluster.query(sql, one.database, limit=LIMIT)[0][0]
    except (BackupError, IndexError) as error:
        what = f"the newest heartbeat of the restored database '{one.database}' cannot be read"
        hint = "canary in services.yaml must be a query for one time (timestamptz)"
        raise ProofError(what, why=getattr(error, "why", "no row"), hint=hint) from error
    if not value:
        return {"newest": None, "rpo_s": None}
    newest = datetime.fromtimestamp(int(value) / 1_000_000, as_of.tzinfo)
    return {"newest": newest.isoformat(), "rpo_s": round((as_of - newest).total_seconds(), 3)}


def _record(cluster: Cluster, database: str, sql: str, url: str, site: Site) -> str | None:
    # One row as JSON: column names and values, as the service's own answer has them.
    rows = cluster.query(f"SELECT row_to_json(r) FROM ({sql.rstrip('; ')}) r LIMIT 1", database, limit=LIMIT)  # noqa: S608
    if not rows:
        return None
    row = json.loads(rows[0][0])
    try:
        path = url.format_map({name: quote(str(value)) for name, value in row.items()})
    except (LookupError, ValueError) as error:
        raise ProofError(
            "the page asked for names a column that the query has not", where=url, why=str(error)
        ) from None
    answer = site.get(path)
    if answer["status"] != HTTPStatus.OK:
        raise ProofError(f"status {answer['status']}", where=path, why=str(answer["text"])[:200])
    told = _object(str(answer["text"]))
    wrong = [f"{name} is {told.get(name)!r}, not {value!r}" for name, value in row.items() if told.get(name) != value]
    if wrong:
        raise ProofError("it is not what the database holds", where=path, why="; ".join(wrong))
    return path


def _object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ProofError("its answer is not a JSON object", why=text[:80])
    return value
