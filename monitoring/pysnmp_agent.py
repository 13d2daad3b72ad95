"""SNMP on the network with pysnmp: the only module that imports it.

One engine for all agents, because making one costs 80 ms; requests are sent below pysnmp's ``hlapi``, which would look
every object identifier up in MIBs first (measured: half of the CPU time of a request).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator
from pysnmp.proto import errind, rfc1902, rfc1905
from pysnmp.proto.api import v2c
from pysnmp.proto.error import StatusInformation

from monitoring.snmp import Cause, Oid, SnmpError, User, Value, VarBind
from monitoring.walk import walk

AUTH_PROTOCOLS = {
    "SHA": hlapi.USM_AUTH_HMAC96_SHA,
    "SHA224": hlapi.USM_AUTH_HMAC128_SHA224,
    "SHA256": hlapi.USM_AUTH_HMAC192_SHA256,
    "SHA384": hlapi.USM_AUTH_HMAC256_SHA384,
    "SHA512": hlapi.USM_AUTH_HMAC384_SHA512,
}
PRIV_PROTOCOLS = {"AES": hlapi.USM_PRIV_CFB128_AES}

CAUSES: dict[type[errind.ErrorIndication], Cause] = {
    errind.RequestTimedOut: "no-answer",
    errind.UnknownUserName: "unknown-user",
    errind.UnknownSecurityName: "unknown-user",
    errind.WrongDigest: "wrong-auth-key",
    errind.AuthenticationFailure: "wrong-auth-key",
    errind.DecryptionError: "wrong-priv-key",
    errind.NotInTimeWindow: "not-in-time-window",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one request may take: ``timeout_s`` for each of ``1 + retries`` tries."""

    timeout_s: float = 1.0
    retries: int = 1


@dataclass
class Engine:
    """The process' SNMP engine. Make it, use it and close it inside one running event loop."""

    limits: Limits = Limits()
    port: int = 161
    _engine: hlapi.SnmpEngine = field(default_factory=hlapi.SnmpEngine)

    def open(self, address: str, user: User) -> PysnmpAgent:
        """Given an IPv4 address and a user, return the agent there. Sends nothing."""
        return PysnmpAgent(self._engine, address, user, self.limits, self.port)

    def close(self) -> None:
        """Close the socket; requests under way are given up."""
        self._engine.close_dispatcher()


class PysnmpAgent:
    """One device's agent, an ``Agent``."""

    def __init__(self, engine: hlapi.SnmpEngine, address: str, user: User, limits: Limits, port: int) -> None:
        self._engine, self._address, self._user = engine, address, user
        self._limits, self._port = limits, port
        self._target = ""
        self._rows: dict[tuple[Oid, ...], int] = {}

    async def get(self, oids: Sequence[Oid]) -> Sequence[VarBind]:
        """Return the instances that exist among ``oids``. Raise SnmpError."""
        answer = await self._ask(cmdgen.GetCommandGenerator(), (), oids)
        return [VarBind(oid, value) for oid, value in answer if value is not None]

    async def walk(self, roots: Sequence[Oid], repetitions: int) -> Sequence[VarBind]:
        """Return every instance below each of ``roots``. Raise SnmpError.

        How many rows a table had is remembered, so that the next walk asks for no more than that and the end.
        """
        columns = tuple(roots)
        found = await walk(self._bulk, columns, self._rows.get(columns), repetitions, self._address)
        self._rows[columns] = max((sum(v.oid[: len(root)] == root for v in found) for root in columns), default=0)
        return found

    async def _bulk(self, places: Sequence[Oid], repetitions: int) -> Sequence[tuple[Oid, Value | None]]:
        return await self._ask(cmdgen.BulkCommandGenerator(), (0, repetitions), places)

    async def _ask(
        self, generator: cmdgen.CommandGenerator, numbers: tuple[int, ...], oids: Sequence[Oid]
    ) -> Sequence[tuple[Oid, Value | None]]:
        """Send one request and return its variables, those without a value as None."""
        answer: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        def receive(_engine: object, _handle: object, *result: Any) -> None:  # noqa: ANN401 - pysnmp has no types
            if not answer.done():
                answer.set_result(result)

        if not self._target:
            self._target = await self._configure()
        wanted = [(v2c.ObjectIdentifier(oid), v2c.null) for oid in oids]
        try:
            generator.send_varbinds(self._engine, self._target, None, "", *numbers, wanted, receive)
        except StatusInformation as refused:
            raise self._failure(refused.get("errorIndication")) from refused
        indication, status, place, varbinds, _context = await answer
        if indication:
            raise self._failure(indication)
        if status:
            raise SnmpError("refused", where=self._address, why=f"{status.prettyPrint()} for variable {int(place)}")
        return [(tuple(oid), _value(value)) for oid, value in varbinds]

    async def _configure(self) -> str:
        """Enter user and address into the engine's tables and return the name of the entry."""
        user = self._user
        auth = hlapi.UsmUserData(
            user.name,
            user.auth_secret.reveal(),
            user.priv_secret.reveal(),
            authProtocol=AUTH_PROTOCOLS[user.auth_protocol],
            privProtocol=PRIV_PROTOCOLS[user.priv_protocol],
        )
        target = await hlapi.UdpTransportTarget.create(
            (self._address, self._port), timeout=self._limits.timeout_s, retries=self._limits.retries
        )
        name, _ = CommandGeneratorLcdConfigurator().configure(self._engine, auth, target)
        return str(name)

    def _failure(self, indication: object) -> SnmpError:
        cause = CAUSES.get(type(indication), "bad-answer")
        return SnmpError(cause, where=self._address, why=str(indication))


def _value(value: Any) -> Value | None:  # noqa: ANN401 - pysnmp has no types
    """Return a pysnmp value as a plain one; None for noSuchObject, noSuchInstance and endOfMibView (RFC 3416, 3)."""
    if isinstance(value, rfc1905.NoSuchObject | rfc1905.NoSuchInstance | rfc1905.EndOfMibView | rfc1905.UnSpecified):
        return None
    if isinstance(value, rfc1902.ObjectIdentifier | v2c.ObjectIdentifier):
        return tuple(value)
    if isinstance(value, rfc1902.OctetString):
        return bytes(value)
    return int(value)
