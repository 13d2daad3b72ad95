"""The proof that a stream comes back.

Every byte of the base backup and its log, a running cluster, whole tables and indexes, and the owner's questions
answered as they should be.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup.bubble import blow
from backup.duty import Duty
from backup.machine import Machine
from backup.postgres import VERSIONS, Cluster
from backup.proof import answers
from backup.report import Steps
from backup.stream import base, canary, link, recover
from backup.stream.archive import Archive
from backup.stream.recover import Recovered
from inventory.asset import Postgres
from netdr.kernel.errors import NetdrError, Problems, ProofError

# Seconds to look at every page of a database.
CHECK = 4 * 3600.0


def run(machine: Machine, duty: Duty, steps: Steps, at: datetime | None = None) -> Mapping[str, object]:
    """Prove that an asset's databases can be had as of ``at`` (None: now), and return the facts.

    Facts: ``stretch``, ``base``, ``base_as_of``, ``timeline``, ``position`` (in the log, what was recovered to),
    ``committed`` (time of the newest transaction, by the source's clock), ``canary``, ``canary_at`` (the newest row),
    ``rpo_s`` (what would have been lost: this host's clock minus that time; None for a past moment), ``queries``,
    ``checked`` (databases whose tables and indexes are whole). The ledger gets a line of kind ``base`` with ``result``.
    Raise ProofError or Problems if something is not as it should be, BackupError if it cannot be tried.
    """
    found = link.of_duty(machine.layout, duty)
    ledger, work = machine.ledger(duty.asset.id), _folder(machine.layout.bubbles)
    try:
        facts = _Trial(machine, duty, steps, Archive(found.top), work).run(at)
    except NetdrError as error:
        why = str(error).partition("\n")[0]
        ledger.add("base", machine.clock(), {"result": "failed", "why": why})
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    kept = ("stretch", "base", "position", "committed", "canary", "canary_at", "rpo_s")
    ledger.add("base", machine.clock(), {"result": "passed", **{name: str(facts[name]) for name in kept}})
    return facts


@dataclass(frozen=True)
class _Trial:
    machine: Machine
    duty: Duty
    steps: Steps
    archive: Archive
    work: Path

    def run(self, at: datetime | None) -> Mapping[str, object]:
        databases = [one for one in self.duty.asset.data if isinstance(one, Postgres)]
        with self.steps.step("verify base backup"):
            _verify(self.machine, self.archive, at)
        with blow(f"the bubble of {self.duty.asset.home}", self.work) as bubble, ExitStack() as open_:
            now = self.machine.clock()
            with self.steps.step("recover"):
                entered = recover.recovered(self.machine, self.archive, bubble, self.work / "pg", at)
                back = open_.enter_context(entered)
            with self.steps.step("tables and indexes"):
                _whole(back.cluster, databases)
            with self.steps.step("query the stream"):
                said = answers.queries(back.cluster, databases)
            return {**_facts(back, None if at else now), "queries": said, "checked": [d.database for d in databases]}


def _folder(parent: Path) -> Path:
    work = Path(tempfile.mkdtemp(prefix="netdr-stream-", dir=parent))
    work.chmod(0o711)
    return work


def _verify(machine: Machine, archive: Archive, at: datetime | None) -> None:
    with archive.reading():
        point = recover.candidates(archive, at, machine.clock())[0]
        recover.require_log(point)
        programs = VERSIONS / str(point.base.version) / "bin"
        base.verify(machine.shell, programs, point.stretch.base(point.base.id))


def _whole(cluster: Cluster, databases: Sequence[Postgres]) -> None:
    wrong: list[NetdrError] = []
    for one in databases:
        result = cluster.shell.run(
            cluster.client("pg_amcheck", "--install-missing", f"--database={one.database}"), limit=CHECK
        )
        if result.code != 0:
            what = f"tables or indexes of '{one.database}' are damaged"
            words = " | ".join((result.out.strip() or result.err.strip()).splitlines()[:4])
            wrong.append(ProofError(what, where=cluster.shell.name, why=words, hint="look at the source's disk now"))
    if wrong:
        raise Problems(wrong)


def _facts(back: Recovered, now: datetime | None) -> dict[str, object]:
    newest = canary.newest(back.cluster)
    committed = back.committed
    moment = newest.at if newest else committed
    return {
        "stretch": back.point.stretch.id,
        "base": back.point.base.id,
        "base_as_of": back.point.base.ended.isoformat(),
        "timeline": back.point.base.timeline,
        "position": back.position,
        "committed": committed.isoformat() if committed else None,
        "canary": newest.seq if newest else None,
        "canary_at": newest.at.isoformat() if newest else None,
        "rpo_s": round((now - moment).total_seconds(), 3) if now and moment else None,
    }
