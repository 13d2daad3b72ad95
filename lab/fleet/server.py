"""A fleet that listens: one socket per device, the conversation of netdr-device in lines of JSON, faults on request.

A connection begins with a question that only a holder of the fleet's token can answer; the token itself is never sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from lab.fleet.device import Device, Refused
from lab.fleet.spec import Adjacency, DeviceSpec, FleetSpec

# Bytes of one request: the longest configuration by far.
_LONGEST = 1 << 24
# Seconds that a newcomer has to answer the question.
_PATIENCE = 10.0
VERBS = ("running", "check", "diff", "commit", "pending", "confirm", "rollback", "fence", "claim", "release")
# What can go wrong when a device is asked something, once for each time it is asked for.
FAULTS = {
    "refuse": "it refuses and does nothing",
    "hang": "it does nothing, and does not answer for so many seconds",
    "drop": "the connection ends before it does it",
    "drop-after": "it does it, and the connection ends before it can say so",
    "garbage": "it does it, and what it says is noise",
    "slow": "it takes so many seconds",
    "power": "it loses power before it does it, and is back after so many seconds",
    "power-after": "it does it, loses power, and is back after so many seconds",
    "revert": "it does it, and then undoes what is pending by itself",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One of ``FAULTS``; ``seconds`` are those of hang, slow and power."""

    kind: str
    seconds: float = 0.0


class Gone(Exception):  # noqa: N818 - the connection is over
    """Nothing more is said on this connection."""


class Fleet:
    """The devices of a spec. Made and used within one event loop."""

    def __init__(self, spec: FleetSpec, token: bytes, port: int) -> None:
        self._spec, self._token, self._port = spec, token, port
        clock = asyncio.get_running_loop()
        self._specs = {each.id: each for each in spec.devices}
        self._devices = {each.id: Device(each.text, clock) for each in spec.devices}
        self._locks = {each.id: asyncio.Lock() for each in spec.devices}
        self._faults: dict[tuple[str, str], Fault] = {}
        self._open: dict[str, set[asyncio.StreamWriter]] = {each.id: set() for each in spec.devices}

    async def listen(self) -> list[asyncio.Server]:
        """Open every device's socket. Raise OSError if one cannot be had."""
        return [
            await asyncio.start_server(partial(self._serve, each), each.address, self._port, limit=_LONGEST)
            for each in self._spec.devices
        ]

    async def _serve(self, at: DeviceSpec, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[at.id].add(writer)
        try:
            if self._devices[at.id].on and await self._known(reader, writer):
                while line := await reader.readline():
                    writer.write(await self._answer(at, line))
                    await writer.drain()
        except (Gone, OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open[at.id].discard(writer)
            # No farewell: that is how a device without power ends a connection, and nothing is left unsaid.
            writer.transport.abort()

    async def _known(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return whether who is there holds the token."""
        nonce = secrets.token_hex(16)
        writer.write(_line({"nonce": nonce}))
        proof = (await asyncio.wait_for(reader.readline(), _PATIENCE)).strip()
        right = hmac.new(self._token, nonce.encode(), hashlib.sha256).hexdigest().encode()
        known = hmac.compare_digest(proof, right)
        writer.write(_line({"known": known}))
        await writer.drain()
        return known

    async def _answer(self, at: DeviceSpec, line: bytes) -> bytes:
        request: dict[str, Any] = json.loads(line)
        verb = str(request.pop("verb"))
        fault = self._faults.pop((at.id, verb), None) or Fault("")
        await self._before(at.id, fault)
        async with self._locks[at.id]:
            try:
                reply = await self._do(at, verb, request, willing=fault.kind != "refuse")
            except Refused as refusal:
                problem = {"line": 0, "part": verb, "words": refusal.words}
                reply = {"error": {"kind": refusal.kind, "problems": [problem]}}
            self._after(at.id, fault)
        return b"\x00\xff{noise\n" if fault.kind == "garbage" else _line(reply)

    async def _before(self, device: str, fault: Fault) -> None:
        if fault.kind in {"hang", "slow"}:
            await asyncio.sleep(fault.seconds)
        if fault.kind == "power":
            self._cut_power(device, fault.seconds)
        if fault.kind in {"drop", "power", "hang"}:
            raise Gone

    def _after(self, device: str, fault: Fault) -> None:
        if fault.kind == "revert":
            self._devices[device].revert("it did so by itself")
        if fault.kind == "power-after":
            self._cut_power(device, fault.seconds)
        if fault.kind in {"drop-after", "power-after"}:
            raise Gone

    def _cut_power(self, device: str, seconds: float) -> None:
        self._devices[device].cut_power(seconds)
        for writer in self._open[device]:
            writer.transport.abort()

    async def _do(self, at: DeviceSpec, verb: str, arguments: dict[str, Any], *, willing: bool) -> Mapping[str, Any]:
        if not willing:
            raise Refused("system", "it was told to refuse")
        if verb == "commit":
            await asyncio.sleep(self._spec.commit_s)
        known: dict[str, Callable[..., Mapping[str, Any]]] = {
            "read": partial(self._read, at),
            "fault": partial(self._expect, at.id),
            "reset": self._devices[at.id].reset,
            **{name: getattr(self._devices[at.id], name) for name in VERBS},
        }
        if verb not in known:
            raise Refused("usage", f"no verb '{verb}'")
        try:
            return known[verb](**arguments)
        except TypeError as error:
            raise Refused("usage", str(error)) from None

    def _expect(self, device: str, at: str, kind: str, seconds: float = 0.0) -> Mapping[str, Any]:
        """Let something go wrong the next time that ``at`` is asked of a device."""
        if kind not in FAULTS:
            raise Refused("usage", f"no fault '{kind}'; known: {', '.join(FAULTS)}")
        self._faults[device, at] = Fault(kind, seconds)
        return {}

    def _read(self, at: DeviceSpec, names: list[str]) -> Mapping[str, Any]:
        shown = {"show ip ospf neighbor json": self._ospf, "show bgp vrf all neighbors json": self._bgp}
        if unknown := set(names) - set(shown):
            raise Refused("usage", f"cannot show {', '.join(sorted(unknown))}")
        return {"outputs": {name: json.dumps(shown[name](at)) for name in names}}

    def _up(self, at: DeviceSpec, protocol: str) -> list[Adjacency]:
        return [each for each in at.adjacencies if each.protocol == protocol and self._sees(at.id, each)]

    def _sees(self, device: str, each: Adjacency) -> bool:
        here = self._devices[device].mentions(each.mine)
        return here and (not each.far or self._devices[each.far].mentions(each.theirs))

    def _ospf(self, at: DeviceSpec) -> Mapping[str, Any]:
        """Return what FRR says of neighbours in state Full, in its form."""
        found: dict[str, list[dict[str, str]]] = {}
        for each in self._up(at, "ospf"):
            row = {"ifaceAddress": each.theirs, "ifaceName": f"{each.port}:{each.mine}", "nbrState": "Full/-"}
            found.setdefault(each.known_by, []).append(row)
        return {"neighbors": found}

    def _bgp(self, at: DeviceSpec) -> Mapping[str, Any]:
        """Return what FRR says of established sessions, in its form."""
        row = {"bgpState": "Established", "localAs": 0, "remoteAs": 0, "localRouterId": at.address}
        return {"default": {each.known_by: row for each in self._up(at, "bgp")}}


async def serve(spec: FleetSpec, token: bytes, port: int) -> None:
    """Serve a fleet at a port until standard input ends; say ``ready`` on standard output once every device listens."""
    servers = await Fleet(spec, token, port).listen()
    sys.stdout.write(f"ready: {len(servers)} devices\n")
    sys.stdout.flush()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), over.set)
    with suppress(asyncio.CancelledError):
        await over.wait()
    for server in servers:
        server.close()


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
