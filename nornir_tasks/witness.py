"""A device as a witness: what it can reach that this controller may not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from inventory.network import Network
from netdr.kernel.errors import UnreachableError
from nornir_tasks import foreign
from nornir_tasks.connect import open_device
from nornir_tasks.fleet import target


def reached(network: Network, state: Path, device: str, nodes: Sequence[str]) -> tuple[str, ...]:
    """Have a device ping the loopbacks of nodes, one echo of one second each; return those that answer it.

    Raise UnreachableError if the device itself cannot be asked.
    """
    try:
        with closing(open_device(target(network, network.node(device), state))) as session:
            answers = {
                node: session.driver.ping(
                    str(network.node(node).loopback), source=str(network.node(device).loopback), count=1, timeout=1
                )
                for node in nodes
            }
    except Exception as error:
        failure = foreign.explain(error, device, lambda text: text)
        raise UnreachableError(failure.what, where=device, why=failure.why) from error
    return tuple(node for node, answer in answers.items() if answer.get("success", {}).get("packet_loss") == 0)
