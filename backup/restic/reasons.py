"""Why restic failed, in the operator's words. Words are read where its exit code says nothing; unknown is failure."""

from __future__ import annotations

import json
import re
from enum import Enum

from backup.host import Result
from netdr.kernel.errors import BackupError


class Reason(Enum):
    """Why restic did not do all it should: the words for the operator, and what to do next."""

    NO_REPOSITORY = ("there is no repository", "run netdr backup init")
    LOCKED = (
        "the repository is locked by another run",
        "wait for it; what was killed on this host is unlocked by its next run",
    )
    WRONG_PASSWORD = ("the repository's password is not the one on this host", "compare with the other site's copy")
    CREDENTIAL = (
        "the backup server refused the credential",
        "run netdr backup init to hand the credentials over again",
    )
    CERTIFICATE = ("the backup server does not show the pinned certificate", "find out why before you run init again")
    UNREACHABLE = ("the backup server does not answer", "check the DR host and the path to it, then run copy again")
    APPEND_ONLY = ("the append-only server refused to delete or overwrite", "retention runs at the DR site only")
    NOT_STORED = (
        "the backup server could not store a file",
        "look at the free space of the DR host, run netdr backup init (it removes what a full disk left), then copy",
    )
    DISK_FULL = ("there is no space left for the repository", "free space on that host; finished snapshots are safe")
    DAMAGED = ("bytes in the repository are not what was written", "prove an older snapshot, keep the damaged files")
    NO_SNAPSHOT = ("there is no such snapshot", "see netdr backup list")
    SOURCE = ("something to be saved could not be read", "check the staged files on the host")
    INTERRUPTED = ("restic was interrupted", "run the command again")
    UNKNOWN = ("restic failed", "read its own words above")


# Exit codes: restic's documentation, "Exit codes"; 130 and 143 are SIGINT and SIGTERM.
_CODES = {
    3: Reason.SOURCE,
    10: Reason.NO_REPOSITORY,
    11: Reason.LOCKED,
    12: Reason.WRONG_PASSWORD,
    130: Reason.INTERRUPTED,
    143: Reason.INTERRUPTED,
}
_DAMAGE = (
    r"ciphertext verification failed|invalid data returned|pack id does not match|does not match id|load <"
    r"|repository contains errors|not found in (the )?index|unable to load index|unexpected eof"
)
# In this order: the first that is found in stderr. Text of 0.14 and 0.19, each seen.
_TEXTS: tuple[tuple[str, Reason], ...] = (
    (r"no space left on device|507 ", Reason.DISK_FULL),
    # rclone says 500 once and then refuses, with 403, to have its own empty file overwritten.
    (r"save\(<.*(500|403)", Reason.NOT_STORED),
    (r"x509: |tls: ", Reason.CERTIFICATE),
    (r"blob not removed.*403|forbidden.*config already exists", Reason.APPEND_ONLY),
    (r"\(?40[13]\)?:? (unauthorized|forbidden)|\(40[13]\)", Reason.CREDENTIAL),
    (r"connection refused|no route to host|i/o timeout|no such host|network is unreachable", Reason.UNREACHABLE),
    (r"wrong password or no key found", Reason.WRONG_PASSWORD),
    (r"already locked", Reason.LOCKED),
    (_DAMAGE, Reason.DAMAGED),
    (r"no matching id found|no snapshot found|matching id found for prefix", Reason.NO_SNAPSHOT),
    (r"is there a repository at|unable to open config file|repository does not exist", Reason.NO_REPOSITORY),
    (r"target directories/files do not exist|at least one source file could not be read", Reason.SOURCE),
)


class ResticError(BackupError):
    """restic did not do all it should; ``reason`` says why. A code nobody knows is a failure too.

    ``lines`` and ``out`` are what it wrote to stderr and stdout.
    """

    def __init__(self, reason: Reason, *, where: str, result: Result) -> None:
        what, hint = reason.value
        super().__init__(what, where=where, why=_words(result), hint=hint)
        self.reason = reason
        self.lines = tuple(result.err.splitlines())
        self.out = result.out


def classify(result: Result) -> Reason | None:
    """Return why restic failed, or None if it did not. Words are looked at first: 0.14 says 1 for everything."""
    if result.code == 0:
        return None
    text = result.err.lower()
    found = (reason for pattern, reason in _TEXTS if re.search(pattern, text))
    return _CODES.get(result.code) or next(found, Reason.UNKNOWN)


def _words(result: Result) -> str:
    # restic ends its message about a missing repository with the location on lines of its own: the cause is above.
    lines = [
        line.strip() for line in result.err.splitlines() if line.strip() and not line.startswith(("\t", "github.com/"))
    ]
    fatal = [_plain(line) for line in lines if re.search(_DAMAGE, line.lower())]
    fatal += [_plain(line) for line in lines if "Fatal" in line or '"exit_error"' in line]
    words = fatal[:1] or [_plain(line) for line in lines[:1]]
    return words[0] if words else result.last_words


def _plain(line: str) -> str:
    if line.startswith("{"):
        value = json.loads(line)
        return str(value.get("message") or value)
    return line.removeprefix("Fatal: ")
