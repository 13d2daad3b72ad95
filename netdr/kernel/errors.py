"""Mistakes and failures as the operator meets them.

Every error says what happened, where (``file:line`` or a device), why, and what to do next.
The class is the kind of mistake and carries the exit code; the doors print it and exit, nobody
else decides about either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class NetdrError(Exception):
    """Any failure netdr can explain. ``str()`` is the one-line form, ``report()`` the whole one."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "failure"

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.hint = what, where, why, hint

    def __str__(self) -> str:
        """Return ``where: what: why``, leaving out what is empty."""
        return ": ".join(part for part in (self.where, self.what, self.why) if part)

    def report(self) -> str:
        """Return the text an operator reads: the one-line form and, below it, the next step."""
        return f"{self}\n  hint: {self.hint}" if self.hint else str(self)

    def as_dict(self) -> dict[str, str]:
        """Return the ``--json`` form."""
        fields = {"kind": self.kind, "what": self.what, "where": self.where, "why": self.why}
        return {**fields, "hint": self.hint}


class UsageError(NetdrError):
    """The command line asked for something that does not exist or does not fit together."""

    exit_code = 2
    kind = "usage"


class InventoryError(NetdrError):
    """A mistake in the inventory's files."""

    exit_code = 3
    kind = "inventory"


class RenderError(NetdrError):
    """A template cannot say what the intent asks for."""

    exit_code = 4
    kind = "render"


class UnreachableError(NetdrError):
    """A device or host does not answer, or is not the one whose key is pinned."""

    exit_code = 5
    kind = "unreachable"


class RefusedError(NetdrError):
    """A device refused a configuration; ``why`` holds the device's own words."""

    exit_code = 6
    kind = "refused"


class DriftError(NetdrError):
    """A device is not in the state the plan was made from."""

    exit_code = 7
    kind = "drift"


class VerifyError(NetdrError):
    """A check after a change failed; what was changed has been brought back."""

    exit_code = 8
    kind = "verify"


class BackupError(NetdrError):
    """A backup, copy or restore did not do all it should."""

    exit_code = 9
    kind = "backup"


class ProofError(NetdrError):
    """A backup came back different from what was saved."""

    exit_code = 10
    kind = "proof"


class RecoveryError(NetdrError):
    """A step of a recovery plan failed, or a guard refused it."""

    exit_code = 11
    kind = "recovery"


class LabError(NetdrError):
    """The lab cannot be built, found or removed."""

    exit_code = 12
    kind = "lab"


class MissingError(NetdrError):
    """The machine lacks a program, a privilege or a kernel feature."""

    exit_code = 13
    kind = "missing"


class MonitorError(NetdrError):
    """A part of monitoring is misconfigured or does not work."""

    exit_code = 14
    kind = "monitor"


class BusyError(NetdrError):
    """Somebody else is at it: another change holds the lock, or a device still has one pending."""

    exit_code = 15
    kind = "busy"


class FencedError(BusyError):
    """A later change has claimed what this one works on: this one may do nothing there any more."""

    exit_code = 16
    kind = "fenced"


class StoppedError(NetdrError):
    """The operator stopped it; the text says in which state everything is left."""

    exit_code = 130
    kind = "stopped"


class Problems(NetdrError):  # noqa: N818 - several errors, not one
    """All problems of one stage at once. The exit code is the first one's."""

    kind = "problems"

    def __init__(self, problems: Iterable[NetdrError]) -> None:
        self.problems = tuple(problems)
        if not self.problems:
            message = "Problems needs at least one problem"
            raise ValueError(message)
        super().__init__("\n".join(problem.report() for problem in self.problems))

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit code of the first problem."""
        return self.problems[0].exit_code

    def __reduce__(self) -> tuple[type[Problems], tuple[tuple[NetdrError, ...]]]:
        """Return how it is made again, in another process: from its problems, not from its text."""
        return type(self), (self.problems,)

    def report(self) -> str:
        """Return every problem's report, then how many there are."""
        count = len(self.problems)
        return f"{self.what}\n{count} problem{'s' if count != 1 else ''}."


def unknown(noun: str, name: str, known: Iterable[str]) -> str:
    """Return ``unknown NOUN 'NAME'; known: a, b, c`` with the known names sorted."""
    listed = ", ".join(sorted(known)) or "none"
    return f"unknown {noun} '{name}'; known: {listed}"
