"""What every entry of the inventory is made of: names, durations, prefixes, ports, and the strict model they share.

Durations are written ``90s``, ``15m``, ``4h``, ``7d`` and held as seconds; rates ``500kbit``,
``20Mbit``, held as bit/s.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

ID_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
PORT_PATTERN = r"^((tcp|udp)/[1-9][0-9]{0,4}|icmp)$"
USER_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"
KEY_PATTERN = r"^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( .*)?$"
CLOCK_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
PATH_PATTERN = r"^/[A-Za-z0-9._/-]+$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=24)]
Asn = Annotated[int, Field(ge=1, le=4294967294)]  # RFC 6793; the first and the last: RFC 7607, RFC 7300
VlanId = Annotated[int, Field(ge=1, le=4094)]  # IEEE 802.1Q reserves 0 and 4095
Port = Annotated[str, StringConstraints(pattern=PORT_PATTERN)]  # tcp/443, udp/123, or icmp
ClockTime = Annotated[str, StringConstraints(pattern=CLOCK_PATTERN)]  # 08:00, 23:30

_RATES = {"kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _network(value: object) -> object:
    if not isinstance(value, str):
        message = "expected a prefix such as 10.1.0.0/16"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located problem
    return IPv4Network(value)


def _seconds(value: object) -> object:
    found = re.fullmatch(r"([1-9][0-9]*)([smhd])", value) if isinstance(value, str) else None
    if not found:
        message = "expected a duration such as 90s, 15m, 4h or 7d"
        raise ValueError(message)
    return int(found[1]) * _UNITS[found[2]]


def span(seconds: int) -> str:
    """Return a duration as it is written in the inventory, in the largest unit that divides it."""
    unit, size = max(((u, s) for u, s in _UNITS.items() if seconds % s == 0), key=lambda pair: pair[1])
    return f"{seconds // size}{unit}"


def _bits(value: object) -> object:
    found = re.fullmatch(r"([1-9][0-9]*)(kbit|Mbit|Gbit)", value) if isinstance(value, str) else None
    if not found:
        message = "expected a rate such as 500kbit, 20Mbit or 1Gbit"
        raise ValueError(message)
    return int(found[1]) * _RATES[found[2]]


def rate(bits: int) -> str:
    """Return a rate in bit/s as it is written in the inventory, in the largest unit that divides it."""
    unit, size = max(((u, s) for u, s in _RATES.items() if bits % s == 0), key=lambda pair: pair[1])
    return f"{bits // size}{unit}"


Prefix = Annotated[IPv4Network, BeforeValidator(_network)]
# As JSON they are what people write, so that what was dumped can be read again.
Duration = Annotated[int, BeforeValidator(_seconds), PlainSerializer(span, when_used="json")]
Rate = Annotated[int, BeforeValidator(_bits), PlainSerializer(rate, when_used="json")]


class Entry(BaseModel):
    """Anything written in the inventory: frozen, strict about types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Name(Entry):
    """A name people read, in the reader's language."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def of(self, language: str) -> str:
        """Return the Chinese name for ``zh…`` languages and the English one for all others."""
        return self.zh if language.startswith("zh") else self.en
