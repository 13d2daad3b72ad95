"""What the versions of restic can do, as data: one row per capability that differs between 0.14 and 0.19.

Versions are those of restic's changelog; what 0.14, 0.18 and 0.19 do was also measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from netdr.kernel.errors import MissingError

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Feature:
    """Something restic can do from a version on, what netdr does without it, and why it matters."""

    since: Version
    otherwise: str
    reason: str


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "from-repository-file": Feature(
            (0, 14), "refuse to work", "copy needs the source's credentials in files: no process list shows them"
        ),
        "repair-index": Feature(
            (0, 16), "call it by its former name, rebuild-index", "packs of a killed run are no waste once indexed"
        ),
        "retry-lock": Feature(
            (0, 16), "a locked repository is a failure at once", "a copy may wait for the DR host's prune"
        ),
        "restore-json": Feature(
            (0, 16), "count the bytes that the process writes (/proc/PID/io)", "progress of a restore, with time left"
        ),
        "exit-codes": Feature((0, 17), "the reason is read from stderr", "0.14 ends with 1 for everything"),
        "packed-size": Feature(
            (0, 17), "sum up the index (prune's brake does)", "how well new data compresses betrays encryption"
        ),
        "stdin-from-command": Feature(
            (0, 17),
            "as always: a dump is whole on disk, its exit code checked, before restic starts",
            "a dump cut short in a pipe becomes a snapshot of half a database",
        ),
        "skip-if-unchanged": Feature(
            (0, 17), "as always: a snapshot per run", "each snapshot carries the moment and the ledger of its run"
        ),
        "check-json": Feature((0, 18), "damage is read from the text", "names the packs that are damaged"),
        "error-json": Feature((0, 18), "errors are read as text", "fatal errors as JSON on stderr"),
        "missing-source": Feature(
            (0, 19), "as always: every source is looked at before a run", "before, one missing source was success"
        ),
        "copy-batches": Feature(
            (0, 19), "several snapshots are sent one after the other", "small packs of several snapshots become one"
        ),
    }
)
OLDEST = FEATURES["from-repository-file"].since


def parse_version(text: str) -> Version:
    """Given the output of ``restic version``, return (major, minor). Raise MissingError if it is none."""
    found = re.match(r"restic (\d+)\.(\d+)", text)
    if not found:
        raise MissingError("this is not a restic that netdr knows", why=text.strip()[:80])
    return int(found[1]), int(found[2])


def supports(version: Version, feature: str) -> bool:
    """Return whether a version has a feature of ``FEATURES``."""
    return version >= FEATURES[feature].since
