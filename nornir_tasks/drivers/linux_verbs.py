"""What netdr asks of a linux device and NAPALM has no words for: a change of the whole network, several looks at once.

An object of its own beside NAPALM's methods, whose suite allows a driver no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Ask = Callable[..., Mapping[str, Any]]


def commit_name(token: int) -> str:
    """Return the name that a commit of the change of this number has on a device."""
    return f"netdr-{token}"


class Verbs:
    """The verbs over a driver's conversation. ``token``: the number of the change that the driver acts for, or 0."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.token = 0

    @property
    def identity(self) -> str:
        """The name that a commit of the change has on the device; empty without a change."""
        return commit_name(self.token) if self.token else ""

    def fence(self) -> Mapping[str, Any]:
        """Return which change holds the device: ``token`` (its number), ``holder``, ``held`` (whether it goes on)."""
        return self._ask("fence")

    def claim(self, token: int, holder: str, *, take_over: bool) -> None:
        """Let nobody but the change of this number touch the device; what the driver does then is that change's.

        Raise LockError if a later change has claimed it, or an earlier one still holds it and is not taken over.
        """
        self._ask("claim", token=token, holder=holder, take_over=take_over)
        self.token = token

    def release(self, token: int) -> None:
        """End the claim of a change; one that does not hold the device has nothing to end."""
        self._ask("release", token=token)
        self.token = 0

    def pending(self) -> Mapping[str, Any]:
        """Return the pending commit (``pending``, ``id``, ``seconds_left``), or why the last one is no more."""
        return self._ask("pending")

    def read(self, queries: Sequence[str]) -> Mapping[str, str]:
        """Return what several queries of netdr-device print, all asked at once: its own names, or FRR's ``show …``."""
        outputs: Mapping[str, str] = self._ask("read", names=list(queries))["outputs"]
        return outputs

    def answers(self, destinations: Sequence[str], source: str) -> frozenset[str]:
        """Return which addresses answer one echo request, all asked at once: NAPALM asks one after another."""
        return frozenset(self._ask("answers", destinations=list(destinations), source=source)["answering"])
