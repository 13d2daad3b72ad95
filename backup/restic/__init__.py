"""The only package that runs restic: 0.14 and everything newer.

Builders of command lines are pure; ``Restic`` runs them with a time limit, reads JSON where the version has it and text
where it has not, and turns every ending but success into a ``ResticError`` with its reason. Secrets and repository
addresses (which hold credentials) are given as files, so that no process list shows them.
"""

from backup.restic.client import QUICK, Restic, Shown, Way, from_arguments, open_arguments, partial
from backup.restic.features import FEATURES, OLDEST, Feature, Version, parse_version, supports
from backup.restic.reasons import Reason, ResticError, classify
from backup.restic.things import Blob, Lock, Rates, Repository, Saved, Snapshot

__all__ = [
    "FEATURES",
    "OLDEST",
    "QUICK",
    "Blob",
    "Feature",
    "Lock",
    "Rates",
    "Reason",
    "Repository",
    "Restic",
    "ResticError",
    "Saved",
    "Shown",
    "Snapshot",
    "Version",
    "Way",
    "classify",
    "from_arguments",
    "open_arguments",
    "parse_version",
    "partial",
    "supports",
]
