"""What must be true of the network between arming a change and confirming it.

What is expected is decided here and is pure; ``deploy`` asks the devices. ``command`` runs a check of the operator's.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from inventory.network import Network, Wire
from netdr.kernel.errors import VerifyError
from nornir_tasks.diff import drift, unified
from nornir_tasks.session import Neighbours

# Links that carry OSPF: hosts have static routes, the city speaks BGP (docs/architecture.md).
_OSPF = {"backbone", "uplink"}


@dataclass(frozen=True, slots=True)
class Before:
    """A device as it was before the change. ``running`` holds secrets, so it is never shown."""

    running: str = field(repr=False)
    neighbours: Neighbours


def required(network: Network, device: str, before: Before, scope: Collection[str]) -> Neighbours:
    """Return the neighbours a device must have after a change of the devices in ``scope``.

    Those that the network intends, except where the link was configured before and was down then; a link that is new
    must come up if both its ends are in scope.
    """
    return Neighbours(
        ospf=frozenset(_ospf(network, device, before, scope)),
        bgp=frozenset(_bgp(network, device, before)),
    )


def _ospf(network: Network, device: str, before: Before, scope: Collection[str]) -> Iterator[IPv4Address]:
    for wire in network.wires_of(device):
        if wire.kind in _OSPF:
            far = network.node(wire.far(device).node)
            new = not _mentions(before.running, wire.end(device).address.ip) and far.id in scope
            if new or far.loopback in before.neighbours.ospf:
                yield far.loopback


def _bgp(network: Network, device: str, before: Before) -> Iterator[IPv4Address]:
    for wire in network.wires_of(device):
        peer = wire.far(device).address.ip
        if wire.kind == "city" and (not _mentions(before.running, peer) or peer in before.neighbours.bgp):
            yield peer


def _mentions(text: str, address: IPv4Address) -> bool:
    return re.search(rf"(?<![\d.]){re.escape(str(address))}(?![\d.])", text) is not None


def missing(network: Network, device: str, expected: Neighbours, seen: Neighbours) -> tuple[str, ...]:
    """Return a sentence for every expected neighbour that is not there, naming its link."""
    return tuple(
        f"{protocol} to {wire.far(device).node} is not up ({wire.name})"
        for wire in network.wires_of(device)
        for protocol, absent in (("OSPF", expected.ospf - seen.ospf), ("BGP", expected.bgp - seen.bgp))
        if _neighbour(network, device, wire, protocol) in absent
    )


def _neighbour(network: Network, device: str, wire: Wire, protocol: str) -> IPv4Address | None:
    if protocol == "OSPF":
        return network.node(wire.far(device).node).loopback if wire.kind in _OSPF else None
    return wire.far(device).address.ip if wire.kind == "city" else None


def not_as_intended(running: str, intended: str) -> str:
    """Return the lines that a device has and should not (``+``), or lacks (``-``); empty if it is as intended."""
    return "" if running == intended else drift("", unified(running, intended))


def command(line: str, limit: float, stop: Callable[[], bool]) -> None:
    """Run an operator's own check on the controller for at most ``limit`` seconds, or until ``stop`` says so.

    Raise VerifyError, with the end of its output, unless it ends in time with exit code 0.
    """
    # A session of its own: Ctrl-C is for netdr, which then ends the change in order.
    check = subprocess.Popen(
        ["/bin/sh", "-c", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + limit
    while True:
        try:
            output, _ = check.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if stop() or time.monotonic() > deadline:
                os.killpg(check.pid, signal.SIGKILL)
    if check.returncode:
        words = output.decode(errors="replace").strip().splitlines()[-3:]
        why = " / ".join([_ending(check.returncode, limit), *words])
        raise VerifyError("a check failed", where=line, why=why, hint="the check is yours: run it by hand to see more")


def _ending(code: int, limit: float) -> str:
    return f"exit {code}" if code > 0 else f"ended by {signal.Signals(-code).name}; it may take {limit:.0f} s"
