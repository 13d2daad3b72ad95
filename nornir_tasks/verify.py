"""What must be true of the network between arming a change and confirming it.

What is expected is decided here and is pure; ``deploy`` asks the devices. ``command`` runs a check of the operator's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from inventory.intent.bgp import bgp
from inventory.intent.interface import routed_ports
from inventory.network import Network
from netdr.kernel.errors import VerifyError
from nornir_tasks.diff import drift, unified
from nornir_tasks.session import Health, Neighbours

# Links that carry OSPF: hosts have static routes, the city speaks BGP (docs/architecture.md).
_OSPF = {"backbone", "uplink"}
_OF_ADDRESSES = frozenset("0123456789.")


@dataclass(frozen=True, slots=True)
class Before:
    """A device as it was before the change. ``running`` holds secrets, so it is never shown."""

    running: str = field(repr=False)
    neighbours: Neighbours
    health: Health | None = None


def required(network: Network, device: str, before: Before, scope: Collection[str]) -> Neighbours:
    """Return the neighbours a device must have after a change of the devices in ``scope``.

    Those that the network intends, except where one was configured before and was not up then; one that is new must
    come up if the other end is in scope, or not ours.
    """
    ospf = _due(ospf_links(network, device), before, before.neighbours.ospf, scope)
    bgp = _due(bgp_links(network, device), before, before.neighbours.bgp, scope)
    return Neighbours(frozenset(ospf), frozenset(bgp))


@dataclass(frozen=True, slots=True)
class Adjacency:
    """An intended neighbour: who it is, by what it is known, and the address that a configuration with it mentions."""

    node: str
    known_by: IPv4Address
    mentioned: IPv4Address
    ours: bool = True


def ospf_links(network: Network, device: str) -> tuple[Adjacency, ...]:
    """Return the OSPF neighbours the network intends for a device, known by router id."""
    wires = [wire for wire in network.wires_of(device) if wire.kind in _OSPF]
    far = [network.node(wire.far(device).node) for wire in wires]
    return tuple(
        Adjacency(node.id, node.loopback, wire.end(device).address.ip) for wire, node in zip(wires, far, strict=True)
    )


def bgp_links(network: Network, device: str) -> tuple[Adjacency, ...]:
    """Return the BGP peers the network intends for a device, known by address."""
    found = bgp(network, device, routed_ports(network, device))
    return tuple(
        Adjacency(peer.name, peer.address, peer.address, ours=peer.line is None)
        for peer in (found.peers if found else ())
    )


def _due(
    links: Iterable[Adjacency], before: Before, up: Collection[IPv4Address], scope: Collection[str]
) -> Iterator[IPv4Address]:
    for link in links:
        new = not _mentions(before.running, link.mentioned) and (link.node in scope or not link.ours)
        if new or link.known_by in up:
            yield link.known_by


def _mentions(text: str, address: IPv4Address) -> bool:
    # Not a pattern: to make one for every address of a thousand devices takes longer than to look.
    word, at = str(address), -1
    while (at := text.find(word, at + 1)) >= 0:
        if not {text[at - 1 : at], text[at + len(word) : at + len(word) + 1]} & _OF_ADDRESSES:
            return True
    return False


def missing(network: Network, device: str, expected: Neighbours, seen: Neighbours) -> tuple[str, ...]:
    """Return a sentence for every expected neighbour that is not there."""
    absent = [("OSPF", link) for link in ospf_links(network, device) if link.known_by in expected.ospf - seen.ospf]
    absent += [("BGP", link) for link in bgp_links(network, device) if link.known_by in expected.bgp - seen.bgp]
    return tuple(f"{protocol} to {link.node} is not up" for protocol, link in absent)


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
