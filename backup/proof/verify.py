"""The verb ``verify``: prove that an asset's copy at the DR site comes back, level by level, and keep the evidence.

Everything happens on the DR host with what is there; the home site is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import get_args

from backup import anchors, arrivals, folder, gaps, restored, snapshots, throwaway, watch
from backup.anchors import Told
from backup.bubble import Bubble, blow
from backup.duty import Duty
from backup.ledger import Line
from backup.machine import Machine
from backup.postgres import Cluster
from backup.proof import answers, application, evidence, stored
from backup.proof.answers import Site
from backup.proof.coverage import Part
from backup.proof.evidence import Bundle
from backup.report import Steps
from backup.restic import Snapshot
from backup.restored import Restored
from backup.watch import Seen
from inventory.asset import Files, Level, Postgres, Service
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError

PASSED, PARTIAL, FAILED = "passed", "partial", "failed"
# What a service without a TCP port is served on while it is proven.
WEB_PORT = 80


@dataclass(frozen=True, slots=True)
class Scope:
    """What to prove. ``depth``: how deep, the policy's depth if None; ``part``: what to read, the part due if None."""

    snapshot: str = snapshots.LATEST
    depth: Level | None = None
    part: Part | None = None


DUE = Scope()


def run(machine: Machine, duty: Duty, steps: Steps, scope: Scope = DUE) -> Mapping[str, object]:
    """Prove a snapshot and return the facts: which, as of when, what each level found, where the evidence is.

    A proof that is not as deep as the policy wants is ``partial`` and counts for nothing but itself. Raise Problems
    with everything that is not as it should be; it is then in the ledger as a failed proof.
    """
    name = duty.asset.id
    if duty.role != "standby":
        hint = "run verify at its DR site"
        raise BackupError(f"the copy of {name} is not on this host", where=machine.book.host, hint=hint)
    with machine.alone(name, "verify"), folder.lent(machine.layout.bubbles, f"netdr-{name}") as work:
        trial = _Trial(machine, duty, steps, scope.depth or duty.protection.proof.depth, work, machine.clock())
        trial.problems += _problems(lambda: trial.go(scope))
        kept: dict[str, object] = {}
        trial.problems += _problems(lambda: kept.update(trial.keep()))
        if trial.problems:
            raise Problems(trial.problems)
        told = anchors.told(machine.ledger(name), machine.book.host, machine.clock())
        return {**trial.facts(), **kept, "ledger": told}


@dataclass
class _Trial:
    """One proof on its way: what each level has found so far, and what is wrong."""

    machine: Machine
    duty: Duty
    steps: Steps
    depth: Level
    work: Path
    began: datetime
    subject: dict[str, str] = field(default_factory=lambda: {"snapshot": "", "source": "", "as_of": ""})
    levels: dict[Level, Mapping[str, object]] = field(default_factory=dict)
    problems: list[NetdrError] = field(default_factory=list)
    back: Restored | None = None
    present: int = 0
    newest: bool = False

    def go(self, scope: Scope) -> None:
        """Climb the levels. Raise NetdrError where it cannot go on."""
        self.stored_and_restored(scope.snapshot, scope.part)
        if self.depth >= "v3":
            self.started_and_asked()

    def stored_and_restored(self, wanted: str, part: Part | None) -> None:
        """Levels 1 and 2, side by side: what is wrong with the bytes does not keep us from naming the files."""
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(self._stored, part)
            found = [*_problems(lambda: self._restored(wanted)), *_problems(reading.result)]
        if found:
            # A wrong password, for one, is the same news from both.
            raise Problems({problem.report(): problem for problem in found}.values())

    def _stored(self, part: Part | None) -> None:
        with self.steps.step("read bytes"):
            self.levels["v1"] = stored.read(self.machine, self.duty, part)

    def _restored(self, wanted: str) -> None:
        machine, repository = self.machine, self.machine.layout.disk(self.duty.asset.id)
        ledger = machine.ledger(self.duty.asset.id)
        seen = watch.look(machine, self.duty, self.steps)
        self.present = len(seen.found)
        snapshot = self._chosen(seen, wanted)
        self.subject = _subject(snapshot)
        self.newest = snapshot in seen.counted[-1:]
        if self.depth >= "v2":
            with self.steps.step("restore and hash"):
                into = self.work / "restored"
                self.back = restored.restore(machine.plain_restic, repository, snapshot, into, self._tell)
            told = Told(snapshot.host, self.back.ledger, snapshots.as_of(snapshot))
            anchors.learn(ledger, machine.book.host, told, machine.clock())
            made = self.back.manifest
            self.levels["v2"] = {"manifest": made.root, "files": made.files, "bytes": made.size}
        # The restored ledger may tell of more. None of it keeps this snapshot from being proven.
        self.problems += _suspects(seen.found, ledger.lines(), repository.label)

    def _tell(self, words: str) -> None:
        self.steps.progress(f"{self.duty.asset.id}: restore {words}")

    def _chosen(self, seen: Seen, wanted: str) -> Snapshot:
        where = self.machine.layout.disk(self.duty.asset.id).label
        try:
            # What is quarantined is never the latest, but may be looked at by name.
            return snapshots.choose(seen.counted if wanted == snapshots.LATEST else seen.found, wanted, where)
        except BackupError as error:
            raise Problems([*_suspects(seen.found, seen.lines, where), error]) from error

    def started_and_asked(self) -> None:
        """Levels 3 and 4, of a service; other assets serve nobody."""
        asset, back = self.duty.asset, self.back
        if back is None or not isinstance(asset, Service):
            return
        databases = [one for one in asset.data if isinstance(one, Postgres)]
        trees = [one for one in asset.data if isinstance(one, Files)]
        ports = application.tcp_ports(asset.ports)
        places = application.places(trees, back.folder)
        with blow(f"the bubble of {asset.id}", self.work, places=places) as bubble, ExitStack() as servers:
            cluster = self._databases(bubble, databases, back, servers) if databases else None
            pages = self._unserved(bubble, [one for one in trees if not one.url], ports, back)
            with self.steps.step("start service"):
                running = application.start(bubble, self.machine.layout.services / asset.id, ports)
            self.levels["v3"] = {**running, "unserved": pages}
            if self.depth >= "v4":
                with self.steps.step("ask"):
                    site = Site(bubble, str(running["address"]), next(iter(ports), WEB_PORT))
                    self.levels["v4"] = _ask(cluster, databases, [one for one in trees if one.url], site, back)

    def _databases(self, bubble: Bubble, databases: Sequence[Postgres], back: Restored, servers: ExitStack) -> Cluster:
        with self.steps.step("start database"):
            cluster = servers.enter_context(throwaway.cluster(bubble, self.work / "pg"))
            application.load(cluster, databases, back.folder)
        return cluster

    def _unserved(
        self, bubble: Bubble, trees: Sequence[Files], ports: Sequence[int], back: Restored
    ) -> list[Mapping[str, object]]:
        """Serve the trees that the service itself does not show."""
        pages = []
        for number, tree in enumerate(trees):
            site = Site(bubble, "127.0.0.1", next(iter(ports), WEB_PORT))
            with (
                self.steps.step("serve files"),
                throwaway.web(bubble, Path(tree.path), self.work / f"web{number}", site.port),
            ):
                pages.append(answers.page(site, tree, back))
        return pages

    def keep(self) -> Mapping[str, object]:
        """Write the evidence and the ledger's line about it; return where the evidence is."""
        ledger = self.machine.ledger(self.duty.asset.id)
        kept_in = self.machine.layout.evidence(self.duty.asset.id)
        before = None
        with suppress(BackupError):
            # A ledger that is broken is among the problems; what was found is kept nevertheless.
            before = ledger.last()
        kept = evidence.keep(kept_in, self._bundle(), before)
        facts = {**self.subject, "result": self.result, "level": self.level, **kept}
        if self.back:
            facts["manifest"] = self.back.manifest.root
        if self.problems:
            facts["why"] = str(self.problems[0]).partition("\n")[0]
        else:
            facts |= self._measured()
        ledger.add("proof", self.machine.clock(), facts)
        return {"evidence": str(kept_in / kept["evidence"]), "sha256": kept["sha256"]}

    def _measured(self) -> Mapping[str, str]:
        """Return ``rto``, seconds from repository to answers, and ``rpo``, seconds since the newest heartbeat in it.

        The RPO only of the newest snapshot: of an older one it says nothing.
        """
        beside = ("arrivals", "read bytes")
        took = sum(seconds for name, seconds in self.steps.seconds.items() if name not in beside)
        canaries = self.levels.get("v4", {}).get("canaries", {})
        beats = [one["newest"] for one in canaries.values() if one["newest"]] if isinstance(canaries, dict) else []
        if not (beats and self.newest):
            return {"rto": f"{took:.3f}"}
        since = self.began - min(datetime.fromisoformat(beat) for beat in beats)
        return {"rto": f"{took:.3f}", "rpo": f"{since.total_seconds():.3f}"}

    @property
    def level(self) -> Level:
        """Return how deep the proof goes: what serves nobody has nothing to start."""
        return self.depth if isinstance(self.duty.asset, Service) else min(self.depth, "v2")

    @property
    def result(self) -> str:
        """Return how the proof ended."""
        if self.problems:
            return FAILED
        return PASSED if self.depth >= self.duty.protection.proof.depth else PARTIAL

    def _bundle(self) -> Bundle:
        return Bundle(
            asset=self.duty.asset.id,
            host=self.machine.book.host,
            depth=self.level,
            result=self.result,
            began=self.began,
            ended=self.machine.clock(),
            subject=self.subject,
            levels=self.levels,
            steps=self.steps.seconds,
            programs=evidence.used(self.machine),
            problems=self.problems,
        )

    def facts(self) -> Mapping[str, object]:
        """Return what the levels found, for programs."""
        stored, back, service, asked = (self.levels.get(level, {}) for level in get_args(Level))
        facts = {"level": self.level, "present": self.present, "stored": stored, "service": service}
        return {**self.subject, **facts, **back, **asked}


def _problems(act: Callable[[], None]) -> tuple[NetdrError, ...]:
    """Return what is wrong according to ``act``."""
    try:
        act()
    except Problems as error:
        return error.problems
    except NetdrError as error:
        return (error,)
    return ()


def _ask(
    cluster: Cluster | None, databases: Sequence[Postgres], trees: Sequence[Files], site: Site, back: Restored
) -> Mapping[str, object]:
    """Level 4: what is asked of the databases below the service, and of the service itself."""
    asked: dict[str, object] = {"queries": {}, "canaries": {}, "records": {}}
    if cluster:
        asked["queries"] = answers.queries(cluster, databases)
        asked["canaries"] = answers.canaries(cluster, databases, back.manifest.as_of)
        asked["records"] = answers.records(cluster, databases, site)
    return {**asked, "pages": [answers.page(site, tree, back) for tree in trees]}


def _subject(snapshot: Snapshot) -> dict[str, str]:
    return {"snapshot": snapshot.id, "source": snapshot.source, "as_of": snapshots.as_of(snapshot).isoformat()}


def _suspects(found: Sequence[Snapshot], lines: Sequence[Line], where: str) -> list[NetdrError]:
    """Return what is wrong with the list of snapshots: which are missing, and whose times cannot be true."""
    missing = [gap.error(where) for gap in gaps.gaps(lines, [one.source for one in found])]
    hint = "find out who made it; once it is explained: netdr backup release"
    present = {one.id for one in found}
    held = [one for one in arrivals.read(lines) if one.quarantine and one.id in present]
    return missing + [
        ProofError(f"snapshot {one.id[:8]} is quarantined", where=where, why=one.quarantine, hint=hint) for one in held
    ]
