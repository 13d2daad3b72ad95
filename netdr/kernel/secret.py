"""Secrets have a type, so that no print, log or dump can show one by accident."""

from __future__ import annotations

import hashlib
import hmac
from typing import final


@final
class Secret:
    """A value that only ``reveal()`` shows. Call that in the module at the edge and nowhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def fingerprint(self, key: bytes) -> str:
        """Return eight hex digits that are equal for equal secrets and tell nothing without ``key``."""
        return hmac.new(key, self._value.encode(), hashlib.sha256).hexdigest()[:8]

    def __repr__(self) -> str:
        """Return a mask."""
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Return a mask, whatever the format."""
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        """Compare without telling by the time taken how much was equal."""
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        """Return a hash, so that secrets can be dictionary keys."""
        return hash(("netdr.Secret", self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled."""
        message = "a Secret is not to be serialised"
        raise TypeError(message)
