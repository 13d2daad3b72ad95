"""What a plan adds to what a district depends on: the inventory of today beside the one that was last deployed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from inventory import load
from inventory.network import Network
from inventory.revision import restore
from inventory.risk.found import added
from inventory.risk.risk import Risk
from netdr.cli.context import Context
from netdr.kernel.errors import Problems

# How many are named in a plan; netdr risk has them all.
MOST = 5


def notes(context: Context, deployed: str, now: str) -> tuple[str, ...]:
    """Return what is to be said in a plan of the single points of failure it adds.

    ``deployed`` and ``now`` are revisions of the inventory, of the last plan carried out and of this one. Nothing is
    said if the former is no commit that git has, or an inventory that today's netdr cannot read.
    """
    before = _network(context, deployed) if deployed != now else None
    found = added(before, context.network) if before else ()
    told = [_note(risk) for risk in found[:MOST]]
    more = len(found) - len(told)
    return (*told, *([f"it adds {more} more of them: netdr risk shows all that there are"] if more > 0 else []))


def _network(context: Context, revision: str) -> Network | None:
    with TemporaryDirectory(prefix="netdr-before-") as folder:
        if not restore(context.inventory, revision, Path(folder)):
            return None
        try:
            return load.network(Path(folder))
        except Problems:
            return None


def _note(risk: Risk) -> str:
    return f"it adds a single point of failure: {risk.kind} {risk.subject}: {risk.what.en}; mend: {risk.mend.en}"
