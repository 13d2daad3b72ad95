"""What a run would do now: the sources and whether they are there, where they would go, how fast. Nothing is done."""

from __future__ import annotations

from collections.abc import Mapping

from backup import job, sources
from backup.duty import Duty
from backup.ledger import last
from backup.machine import Machine
from backup.rates import rates
from backup.report import Steps
from inventory.asset import where


def run(machine: Machine, duty: Duty, steps: Steps) -> Mapping[str, object]:
    """Return what a run would save and where it would go. Raise Problems with every source that is missing.

    Facts: ``sources`` (kind, where, bytes or None), ``repository``, ``copy_to`` (None at the DR site), ``upload`` (what
    the copy may take at this hour in KiB/s, None: all), ``every`` (s), ``as_of`` of the newest snapshot (None: none).
    """
    what = job.plan(machine, duty)
    with steps.step("sources"):
        sources.require(what.data, machine)
        sizes = [sources.KINDS[one.kind].size(one, machine) for one in what.data]
    newest = last(machine.ledger(what.asset).lines(), "snapshot")
    speed = rates(duty.protection.limits, machine.clock().astimezone().time())
    return {
        "sources": [
            {"kind": one.kind, "where": where(one), "bytes": size} for one, size in zip(what.data, sizes, strict=True)
        ],
        "repository": what.repository.label,
        "copy_to": machine.layout.standby(what.asset, machine.book.server).label if what.copies else None,
        "upload": speed.upload,
        "every": duty.protection.every,
        "as_of": newest.facts["as_of"] if newest else None,
    }
