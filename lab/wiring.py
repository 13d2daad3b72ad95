"""Network namespaces and the cables between them. The commands are made by pure functions and run in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.commands import ip, run
from lab.model import LabLink, Plug, Topology
from lab.state import namespace

NAMESPACES = Path("/run/netns")
_MOVED = "~"


def build(topology: Topology) -> None:
    """Make every node's network namespace and every cable. No end of a cable is ever outside its namespace."""
    ip(f"netns add {namespace(topology.lab, node.id)}" for node in topology.nodes)
    ip(f"link add {cable(topology.lab, link)}" for link in topology.links)
    ip(f"link add {spare(topology.lab, plug)}" for plug in topology.spares)


def cable(lab: str, link: LabLink) -> str:
    """Return what ``ip link add`` is told to make a cable between two nodes' namespaces."""
    one, other = link.ends
    near, far = namespace(lab, one.node), namespace(lab, other.node)
    return f"{one.port} netns {near} type veth peer name {other.port} netns {far}"


def spare(lab: str, plug: Plug) -> str:
    """Return what ``ip link add`` is told to make a port that nothing is plugged into."""
    place = namespace(lab, plug.node)
    return f"{plug.port} netns {place} type veth peer name {plug.hidden} netns {place}"


def present(lab: str) -> tuple[str, ...]:
    """Return the network namespaces of a lab that exist, its own or what a killed one left."""
    if not NAMESPACES.is_dir():
        return ()
    return tuple(sorted(path.name for path in NAMESPACES.iterdir() if path.name.startswith(f"{lab}.")))


def remove(lab: str) -> None:
    """Remove every network namespace of a lab; the cables go with them."""
    found = present(lab)
    ip((f"netns delete {name}" for name in found), force=True)
    for name in present(lab):
        # A name whose mount a killed `ip netns add` never made.
        (NAMESPACES / name).unlink(missing_ok=True)


def switch(lab: str, ends: Iterable[Plug], *, up: bool) -> None:
    """Switch ports on or off."""
    for end in ends:
        ip([f"link set {end.port} {'up' if up else 'down'}"], namespace=namespace(lab, end.node))


def wipe(lab: str, node: str, ports: Iterable[str]) -> None:
    """Take everything from a node's network that a power loss takes: addresses, routes, bridges, filters, counters.

    The ports move to a namespace that knows nothing, switched off, and that one takes the old one's name. The far
    ends of the cables stay where they are and lose their carrier.
    """
    old = namespace(lab, node)
    new = f"{old}{_MOVED}"
    ip([f"netns add {new}"])
    ip(_moves(ports, new), namespace=old)
    ip([f"netns delete {old}"])
    (NAMESPACES / old).touch()
    run(["mount", "--bind", str(NAMESPACES / new), str(NAMESPACES / old)])
    ip([f"netns delete {new}"])


def _moves(ports: Iterable[str], target: str) -> Iterator[str]:
    for port in ports:
        yield f"link set {port} nomaster netns {target}"
