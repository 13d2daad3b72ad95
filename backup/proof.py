"""Prove that a service's copy at the DR site comes back: restore it, compare it, start it, ask it.

Everything happens on the DR host with what is there; the home site is not asked.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from backup import anchors, fetch, postgres, restored, snapshots, source, throwaway
from backup.anchors import Told
from backup.bubble import Bubble, blow
from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.manifest import Entry
from backup.report import Steps
from backup.restic import Snapshot
from backup.restored import Restored
from inventory.asset import Files, Postgres, Service
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError

# Seconds for one assertion or one page.
ANSWER = 60.0
READABLE_BY_ALL = 0o004


def run(machine: Machine, duty: Duty, steps: Steps, wanted: str = snapshots.LATEST) -> Mapping[str, object]:
    """Prove a snapshot and return the facts: which, as of when, how many files, what was asked and answered.

    Raise Problems with everything that is not as it should be; it is then in the ledger as a failed proof.
    """
    name = duty.asset.id
    if duty.role != "standby":
        hint = "run prove at its DR site"
        raise BackupError(f"the copy of {name} is not on this host", where=machine.book.host, hint=hint)
    work = Path(tempfile.mkdtemp(prefix=f"netdr-{name}-", dir=machine.layout.bubbles))
    # Accounts other than root pass through to what is theirs; its name is random and its content keeps its modes.
    work.chmod(0o711)
    try:
        with machine.alone(name, "prove"):
            return _prove(machine, duty, steps, wanted, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _prove(machine: Machine, duty: Duty, steps: Steps, wanted: str, work: Path) -> Mapping[str, object]:
    name = duty.asset.id
    ledger, repository = machine.ledger(name), machine.layout.disk(name)
    subject: dict[str, str] = {"snapshot": "", "source": "", "as_of": ""}
    try:
        with steps.step("list"):
            found = snapshots.of_service(machine.plain_restic.snapshots(repository), name)
            gone = _gone(snapshots.lost(ledger.lines(), found), repository.label)
            snapshot = _choose(found, wanted, repository.label, gone)
            subject = _subject(snapshot)
            # From now on their absence is noticed, even if the source never tells of them.
            ledger.know((machine.clock(), snapshots.facts(one)) for one in found)
        with steps.step("restore and hash"):
            back = restored.restore(machine.plain_restic, repository, snapshot, work / "restored")
        told = Told(snapshot.host, back.ledger, snapshots.as_of(snapshot))
        anchors.learn(ledger, machine.book.host, told, machine.clock())
        asked = _ask(duty, back, work, steps)
        gone = _gone(snapshots.lost(ledger.lines(), found), repository.label)
        if gone:
            raise Problems(gone)
    except NetdrError as error:
        why = "; ".join(str(error).splitlines()[:1])
        ledger.add("proof", machine.clock(), {**subject, "result": "failed", "why": why})
        raise
    root = back.manifest.root
    ledger.add("proof", machine.clock(), {**subject, "result": "passed", "manifest": root})
    files = {"manifest": root, "files": back.manifest.files, "bytes": back.manifest.size}
    return {**subject, **files, **asked, "present": len(found)}


def _subject(snapshot: Snapshot) -> dict[str, str]:
    return {"snapshot": snapshot.id, "source": snapshot.source, "as_of": snapshots.as_of(snapshot).isoformat()}


def _choose(found: Sequence[Snapshot], wanted: str, where: str, gone: Sequence[NetdrError]) -> Snapshot:
    try:
        return snapshots.choose(found, wanted, where)
    except BackupError as error:
        raise Problems([*gone, error]) from error


def _gone(lines: Sequence[Line], where: str) -> list[NetdrError]:
    return [
        ProofError(
            f"snapshot {line.facts['id'][:8]} as of {line.facts['as_of']} is in the ledger and not in the repository",
            where=where,
            hint="it was deleted, or a copy skipped it: run copy at its home, then prove again",
        )
        for line in lines
    ]


def _ask(duty: Duty, back: Restored, work: Path, steps: Steps) -> dict[str, object]:
    databases = [one for one in duty.asset.data if isinstance(one, Postgres)]
    trees = [one for one in duty.asset.data if isinstance(one, Files)]
    answers: dict[str, bool] = {}
    pages: list[dict[str, object]] = []
    with blow(f"the bubble of {duty.asset.id}") as bubble, ExitStack() as servers:
        if databases:
            with steps.step("start database"):
                cluster = servers.enter_context(throwaway.cluster(bubble, work / "pg"))
                _load(cluster, databases, back.folder)
            with steps.step("query"):
                answers = _assert(cluster, databases)
        if trees:
            with steps.step("serve files"):
                pages = [_page(bubble, duty, one, back, work / f"web{i}") for i, one in enumerate(trees)]
    return {"queries": answers, "pages": pages}


def _load(cluster: postgres.Cluster, databases: Sequence[Postgres], folder: Path) -> None:
    for one in databases:
        lies = source.database_folder(folder, one)
        roles = (lies / postgres.ROLES).read_text(encoding="utf-8")
        try:
            cluster.restore(lies / postgres.DUMP, roles, restored.LIMIT)
        except BackupError as error:
            what = f"the database '{one.database}' cannot be restored from the dump"
            raise ProofError(what, where=error.where, why=error.why, hint="prove an older snapshot") from error


def _assert(cluster: postgres.Cluster, databases: Sequence[Postgres]) -> dict[str, bool]:
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


def _rows(cluster: postgres.Cluster, sql: str, database: str) -> list[list[str]]:
    try:
        return cluster.query(sql, database, limit=ANSWER)
    except BackupError as error:
        return [[error.why]]


def _page(bubble: Bubble, duty: Duty, tree: Files, back: Restored, work: Path) -> dict[str, object]:
    top = str(source.files_folder(Path(), tree))
    page = landing_page(back.manifest.entries, top)
    if page is None:
        return {"path": tree.path, "page": None}
    port = web_port(duty.asset.ports if isinstance(duty.asset, Service) else ())
    with throwaway.web(bubble, back.folder / top, work, port):
        url = quote("/" + page.path.removeprefix(f"{top}/"))
        got = bubble.run([sys.executable, "-I", fetch.__file__, str(port), url], limit=ANSWER)
    answer = json.loads(got.out) if got.code == 0 else {}
    if (answer.get("status"), answer.get("sha256")) != (200, page.digest):
        why = f"status {answer.get('status')}, {answer.get('bytes')} bytes" if answer else got.last_words
        raise ProofError(f"the page {url} is not served from the restored files as it was", where=tree.path, why=why)
    return {"path": tree.path, "page": url, "port": port, "bytes": answer["bytes"]}


def landing_page(entries: Sequence[Entry], top: str) -> Entry | None:
    """Return the file below ``top`` to ask a web server for, None if no file may be read by every account.

    It is the index.html nearest to the top or else the smallest file.
    """
    readable = [e for e in entries if e.kind == "file" and e.path.startswith(f"{top}/") and e.mode & READABLE_BY_ALL]
    indexes = [entry for entry in readable if entry.path.endswith("/index.html")]
    if indexes:
        return min(indexes, key=lambda entry: (entry.path.count("/"), entry.path))
    return min(readable, key=lambda entry: (entry.size, entry.path), default=None)


def web_port(ports: Sequence[str]) -> int:
    """Return the first TCP port of a service, 80 if it has none."""
    return next((int(port.removeprefix("tcp/")) for port in ports if port.startswith("tcp/")), 80)
