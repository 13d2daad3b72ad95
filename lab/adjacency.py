"""A router's OSPF neighbours, asked of the router itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lab.commands import run
from lab.model import Topology
from lab.node import enter
from netdr.kernel.errors import LabError


def neighbours(topology: Topology, name: str) -> Mapping[tuple[str, str], str]:
    """Return the state (``Full/-``) of a router's neighbours by router id and port.

    Raise LabError if the router cannot be asked.
    """
    done = run([*enter(topology, name), "vtysh", "-c", "show ip ospf neighbor json"], limit_s=5)
    try:
        found = json.loads(done.stdout).get("neighbors", {})
        # FRR 10 calls the state nbrState as well, older ones have it as state for some commands.
        rows = [(router, row) for router, rows in found.items() for row in rows]
        return {(router, row["ifaceName"]): row.get("nbrState") or row["state"] for router, row in rows}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LabError("vtysh's answer cannot be read", where=name, why=f"{error}: {done.stdout[:200]!r}") from error


def full(topology: Topology, name: str) -> frozenset[tuple[str, str]]:
    """Return a router's neighbours in state Full (RFC 2328, 10.1), by router id and port; none of what is no device."""
    if topology.node(name).kind != "device":
        return frozenset()
    return frozenset(key for key, state in neighbours(topology, name).items() if state.startswith("Full"))
