"""Wait until a lab's first controller reaches every managed machine in band, and say why if it does not."""

from __future__ import annotations

from pathlib import Path

from lab.adjacency import neighbours
from lab.commands import run
from lab.model import LabNode, Topology
from lab.node import enter
from netdr.kernel.errors import LabError, Problems

_PROGRAM = Path(__file__).parent / "reach.py"
_SSH = 22


def converge(topology: Topology, limit_s: float) -> None:
    """Return when the first controller reaches the SSH server of every device and host.

    Raise Problems naming each one it did not reach within ``limit_s`` seconds, with its OSPF neighbours.
    """
    managed = [node for node in topology.nodes if node.kind in {"device", "host"}]
    observer = next(node for node in managed if "NETDR_STATE" in node.environment)
    addresses = {node.address: node for node in managed if node.id != observer.id}
    argv = [*enter(topology, observer.id), "python3", "-IS", str(_PROGRAM), str(_SSH), str(limit_s), *addresses]
    done = run(argv, limit_s=limit_s + 10, check=False)
    late = [addresses[line] for line in done.stdout.split() if line in addresses]
    if late:
        raise Problems([_unreached(topology, node, observer) for node in late])
    if done.returncode != 0:
        raise LabError("cannot look for the nodes", where=observer.id, why=done.stderr.strip())


def _unreached(topology: Topology, node: LabNode, observer: LabNode) -> LabError:
    what = f"{node.id} ({node.address}) is not reachable from {observer.id}"
    if node.kind != "device":
        return LabError(what)
    return LabError(what, why=f"its OSPF neighbours: {_neighbours(topology, node.id)}")


def _neighbours(topology: Topology, name: str) -> str:
    try:
        found = neighbours(topology, name)
    except LabError as error:
        return f"unknown ({error})"
    return ", ".join(f"{router} {state}" for (router, _), state in found.items()) or "none"
