"""Two hosts' ledgers hold each other fast: each notes how far the other's was, and its hash there.

A chain of hashes alone can be cut off at its end, or written anew from any line on, by whoever may write the file.
Then it no longer says what the other site has noted of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backup.duty import Duty
from backup.ledger import Ledger, Line, parse
from backup.machine import Machine
from backup.report import Steps
from netdr.kernel.errors import BackupError, NetdrError, Problems, ProofError


@dataclass(frozen=True, slots=True)
class Told:
    """What a host told of its ledger: the text that came with a snapshot, and that snapshot's moment."""

    host: str
    text: str
    as_of: datetime


def mark(host: str, line: Line, as_of: datetime) -> Mapping[str, str]:
    """Return the facts of an anchor: a host's ledger held ``line`` when a snapshot as of this moment was made."""
    return {"host": host, "number": str(line.number), "head": line.hash, "as_of": as_of.isoformat()}


def learn(ledger: Ledger, host: str, told: Told, now: datetime) -> int:
    """Learn of another host's snapshots, anchor its ledger in this one and return how many were new.

    ``host`` is whose ``ledger`` is. Raise BackupError if the text's chain does not hold, Problems of ProofError, having
    learned nothing, if either ledger is not what the other has noted of it.
    """
    theirs, mine = parse(told.text, f"the ledger of {told.host}"), ledger.lines()
    own = told.host == host
    problems = [*(() if own else broken(mine, told.host, theirs, told.as_of)), *broken(theirs, host, mine)]
    # A snapshot made here holds the beginning of this very ledger.
    problems += _grown(host, theirs, mine) if own else []
    if problems:
        raise Problems(problems)
    known = max((int(one.facts["number"]) for one in _anchors(mine, told.host)), default=0)
    learned = ledger.know((line.at, line.facts) for line in theirs if line.kind == "snapshot")
    if len(theirs) > known and not own:
        ledger.add("anchor", now, mark(told.host, theirs[-1], told.as_of))
    return learned


def told(ledger: Ledger, host: str, now: datetime) -> Mapping[str, str]:
    """Return what ``host`` tells others of its own ledger, for ``witness``; nothing if it is empty."""
    line = ledger.last()
    return mark(host, line, now) if line else {}


def run(machine: Machine, duty: Duty, steps: Steps, note: str) -> Mapping[str, object]:
    """Anchor another host's ledger, told as JSON (``told``), in this host's; return whether that was ``new``.

    Raise BackupError if the note is none, Problems of ProofError if that host has told more before.
    """
    try:
        value = json.loads(note)
        facts = {name: str(value[name]) for name in ("host", "number", "head", "as_of")}
        datetime.fromisoformat(facts["as_of"])
        int(facts["number"])
    except (ValueError, TypeError, LookupError) as error:
        raise BackupError("this is no note on a ledger", where=machine.book.host, why=str(error)) from error
    with steps.step("witness"):
        return {"new": witness(machine.ledger(duty.asset.id), facts, machine.clock())}


def witness(ledger: Ledger, facts: Mapping[str, str], now: datetime) -> bool:
    """Anchor what another host says its last line is (``mark``) and return whether that was new.

    Raise Problems of ProofError if it has told more before.
    """
    seen = {int(one.facts["number"]): one.facts["head"] for one in _anchors(ledger.lines(), facts["host"])}
    number, newest = int(facts["number"]), max(seen, default=0)
    if number < newest:
        raise Problems([_shortened(facts["host"], number, newest)])
    if seen.get(number, facts["head"]) != facts["head"]:
        raise Problems([_rewritten(facts["host"], number)])
    if number > newest:
        ledger.add("anchor", now, facts)
    return number > newest


def broken(
    noted: Sequence[Line], host: str, lines: Sequence[Line], as_of: datetime | None = None
) -> tuple[NetdrError, ...]:
    """Given what one side has noted of ``host`` and that host's ``lines``, return how they contradict each other.

    ``as_of``: when the lines were all there were, None for now. A ledger of before the note may be shorter than it.
    """
    for anchor in _anchors(noted, host):
        number = int(anchor.facts["number"])
        if number <= len(lines):
            if lines[number - 1].hash != anchor.facts["head"]:
                return (_rewritten(host, number),)
        elif as_of is None or as_of > datetime.fromisoformat(anchor.facts["as_of"]):
            return (_shortened(host, len(lines), number),)
    return ()


def _anchors(lines: Sequence[Line], host: str) -> list[Line]:
    """Return the anchors of a host that count: a person who releases its ledger says that it was begun anew."""
    released = max(
        (one.number for one in lines if one.kind == "release" and one.facts.get("ledger") == host), default=0
    )
    return [one for one in lines if one.kind == "anchor" and one.facts["host"] == host and one.number > released]


def _grown(host: str, before: Sequence[Line], now: Sequence[Line]) -> list[NetdrError]:
    if len(before) > len(now):
        return [_shortened(host, len(now), len(before))]
    at = len(before) - 1
    return [_rewritten(host, at + 1)] if before and before[at].hash != now[at].hash else []


_HINT = "treat that host as compromised, unless it was set up anew: then netdr backup release --ledger"


def _rewritten(host: str, number: int) -> NetdrError:
    why = f"line {number} is not the one that the other site has noted"
    return ProofError(f"the ledger of {host} was rewritten", why=why, hint=_HINT)


def _shortened(host: str, found: int, noted: int) -> NetdrError:
    why = f"it has {found} lines, the other site has noted {noted}"
    return ProofError(f"the ledger of {host} was shortened", why=why, hint=_HINT)
