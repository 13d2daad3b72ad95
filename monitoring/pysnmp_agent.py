"""SNMP on the network with pysnmp: the only module that imports it.

Agents share engines, because making one costs 40 ms of CPU. Requests are sent below pysnmp's ``hlapi``, which looks
every object identifier up in MIBs first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
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

    timeout_s: float = 1.5
    retries: int = 1


# pysnmp remembers for 300 s which engine ID answers at an address, and drops the answers of a device that has another
# by now. After silence the agent is asked through the next engine of a ring, which remembers nothing of it: a replaced
# device costs one scrape.
RING = 3


class Engines:
    """The process' SNMP engines. Make, use and close them inside one running event loop."""

    def __init__(self, limits: Limits | None = None, port: int = 161) -> None:
        self.limits, self.port = limits or Limits(), port
        self._ring: dict[int, hlapi.SnmpEngine] = {}

    def open(self, address: str, user: User) -> PysnmpAgent:
        """Given an IPv4 address and a user, return the agent there. Sends nothing."""
        return PysnmpAgent(self, address, user)

    def engine(self, number: int) -> hlapi.SnmpEngine:
        """Return one engine of the ring, made when it is first needed."""
        if number not in self._ring:
            self._ring[number] = hlapi.SnmpEngine()
        return self._ring[number]

    def close(self) -> None:
        """Close the sockets; requests under way are given up."""
        for engine in self._ring.values():
            engine.close_dispatcher()
        self._ring.clear()


class PysnmpAgent:
    """One device's agent, an ``Agent``."""

    def __init__(self, engines: Engines, address: str, user: User) -> None:
        self._engines, self._address, self._user = engines, address, user
        self._number, self._answered = 0, False
        self._targets: dict[int, str] = {}
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

        if self._number not in self._targets:
            self._targets[self._number] = await self._configure()
        engine, target = self._engines.engine(self._number), self._targets[self._number]
        wanted = [(v2c.ObjectIdentifier(oid), v2c.null) for oid in oids]
        try:
            generator.send_varbinds(engine, target, None, "", *numbers, wanted, receive)
        except StatusInformation as refused:
            raise self._failure(refused.get("errorIndication")) from refused
        try:
            indication, status, place, varbinds, _context = await answer
        except asyncio.CancelledError:
            self._forget()
            raise
        if indication:
            raise self._failure(indication)
        self._answered = True
        if status:
            why = f"{status.prettyPrint()} for variable {int(place)}"
            raise SnmpError("refused", where=self._address, why=why)
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
        limits = self._engines.limits
        target = await hlapi.UdpTransportTarget.create(
            (self._address, self._engines.port), timeout=limits.timeout_s, retries=limits.retries
        )
        name, _ = CommandGeneratorLcdConfigurator().configure(self._engines.engine(self._number), auth, target)
        return str(name)

    def _failure(self, indication: Any) -> SnmpError:  # noqa: ANN401 - pysnmp has no types
        self._forget()
        cause = CAUSES.get(type(indication), "bad-answer")
        return SnmpError(cause, where=self._address, why=str(indication))

    def _forget(self) -> None:
        """Ask a device that has answered until now through another engine next time."""
        if self._answered:
            self._number, self._answered = (self._number + 1) % RING, False


def _value(value: Any) -> Value | None:  # noqa: ANN401 - pysnmp has no types
    """Return a pysnmp value as a plain one; None for noSuchObject, noSuchInstance and endOfMibView (RFC 3416, 3)."""
    if isinstance(value, rfc1905.NoSuchObject | rfc1905.NoSuchInstance | rfc1905.EndOfMibView | rfc1905.UnSpecified):
        return None
    if isinstance(value, rfc1902.ObjectIdentifier | v2c.ObjectIdentifier):
        return tuple(value)
    if isinstance(value, rfc1902.OctetString):
        return bytes(value)
    return int(value)
