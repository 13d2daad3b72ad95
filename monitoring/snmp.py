"""The seam to SNMP: what an agent is asked and answers, and the ways it can fail. Knows no library.

``Agent`` is one device's agent as one user sees it. ``pysnmp_agent`` implements it on the network,
``testing.FakeAgent`` from a recorded walk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from netdr.kernel.errors import MonitorError
from netdr.kernel.secret import Secret

Oid = tuple[int, ...]
Value = int | bytes | Oid

Cause = Literal[
    "no-answer",
    "unknown-user",
    "wrong-auth-key",
    "wrong-priv-key",
    "not-in-time-window",
    "not-increasing",
    "refused",
    "bad-answer",
]

# What an operator tries next, per cause.
HINTS: dict[Cause, str] = {
    # net-snmp drops what does not decrypt to something that parses: a wrong privacy key looks like silence.
    "no-answer": "is the device reachable, does its snmpd run, is its privacy secret this one, may this address ask?",
    "unknown-user": "the device has no such SNMPv3 user: deploy its configuration",
    "wrong-auth-key": "the device has the user with another authentication secret: deploy its configuration",
    "wrong-priv-key": "the device has the user with another privacy secret: deploy its configuration",
    "not-in-time-window": "the device's engine boots and time do not advance: look at its snmpd's persistent file",
    "not-increasing": "the agent answers in a circle: this is a bug of the device's SNMP agent",
    "refused": "the agent answered with an error status: look at its access view",
    "bad-answer": "the answer is not what SNMP allows: look at the device's SNMP agent",
}


class VarBind(NamedTuple):
    """One instance and its value: an integer, the octets of a string or address, or an object identifier."""

    oid: Oid
    value: Value


class SnmpError(MonitorError):
    """An agent did not give what was asked. ``cause`` is one of ``Cause``, for metrics; the text is for people."""

    kind = "snmp"

    def __init__(self, cause: Cause, *, where: str, why: str = "") -> None:
        super().__init__(cause.replace("-", " "), where=where, why=why, hint=HINTS[cause])
        self.cause: Cause = cause


@dataclass(frozen=True, slots=True)
class User:
    """A user of the User-based Security Model at level authPriv (RFC 3414; SHA-2: RFC 7860; AES-128: RFC 3826)."""

    name: str
    auth_protocol: Literal["SHA", "SHA224", "SHA256", "SHA384", "SHA512"]
    auth_secret: Secret
    priv_protocol: Literal["AES"]
    priv_secret: Secret


class Agent(Protocol):
    """One device's agent. Every method raises SnmpError; each request has the agent's time limit."""

    async def get(self, oids: Sequence[Oid]) -> Sequence[VarBind]:
        """Return the instances that exist among ``oids``."""

    async def walk(self, roots: Sequence[Oid], repetitions: int) -> Sequence[VarBind]:
        """Return every instance below each of ``roots``, asking for at most ``repetitions`` rows per request."""


# Given an address and a user, return the agent there. Opening sends nothing.
OpenAgent = Callable[[str, User], Agent]


def parse_oid(text: str) -> Oid:
    """Given ``1.3.6.1``, return its numbers. Raise ValueError if it is not an object identifier."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        message = f"not an object identifier: {text!r}"
        raise ValueError(message)
    return tuple(int(part) for part in parts)


def dotted(oid: Oid) -> str:
    """Return an object identifier as text, ``1.3.6.1``."""
    return ".".join(map(str, oid))
