"""Fail every link and device of a running lab in turn, and let packets tell who still reaches what.

A link fails by the port of one end going down, which takes the carrier of the other; a device by all its ports going
down at once. Both heal without a boot. What is looked at is the network after it has settled, not how long that takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from inventory.network import Network
from lab import users
from lab.adjacency import full
from lab.commands import ip
from lab.listen import Endpoint
from lab.model import Plug, Topology
from lab.probe import Flow, reached
from lab.settle import settled
from lab.state import namespace
from lab.sweep import Failure, Finding, SinglePoint, Swept, Use, judged, surviving, swept, touched
from netdr.kernel.errors import LabError

# How long nobody else comes back before those that are still lost count as lost: an OSPF neighbour takes a few
# seconds to be given up or found, whatever the machine is busy with.
QUIET_S = 6.0
# How long a use that came back is left alone before it is tried once more, and how long that may take.
STEADY_S = 0.2
LAST_S = 0.7
HEAL_S = 30.0
_PAUSE_S = 0.2


def flow(lab: str, network: Network, placement: Mapping[str, str], use: Use) -> Flow:
    """Return the flow that tries a use in a lab: a connection to the service's port, an echo from the device."""
    if use.kind == "device":
        at = Endpoint(network.node(use.target).loopback, "icmp", (namespace(lab, use.target),))
        return Flow(namespace(lab, use.source), at)
    address, port = users.endpoint(network, use.target)
    holders = tuple(namespace(lab, host.id) for host in network.hosts("services", placement[use.target]))
    return Flow(users.namespace(lab, use.source), Endpoint(IPv4Address(address), f"tcp/{port}", holders))


@dataclass(frozen=True)
class Sweep:
    """A lab to be swept: its topology and network, where services are active, and the flow that tries each use."""

    topology: Topology
    network: Network
    placement: Mapping[str, str]
    flows: Mapping[Use, Flow]

    def run(self, failures: Iterable[Failure], told: Callable[[Failure], None]) -> Swept:
        """Fail each in turn and return what was found; ``told`` is called before each.

        The lab is whole again afterwards. Raise LabError if a link or device does not come back.
        """
        return swept(self._each(failures, told))

    def _each(
        self, failures: Iterable[Failure], told: Callable[[Failure], None]
    ) -> Iterator[tuple[Failure, tuple[Finding, ...], SinglePoint | None]]:
        for failure in failures:
            told(failure)
            yield failure, *self._one(failure)

    def _one(self, failure: Failure) -> tuple[tuple[Finding, ...], SinglePoint | None]:
        wanted = touched(failure, self.flows)
        paths = surviving(self.network, self.placement, failure, wanted)
        ends = self._ends(failure)
        before = full(self.topology, ends[0].node)
        self._switch(ends, "down")
        try:
            alive = self._alive(wanted, paths)
        finally:
            self._switch(ends, "up")
        self._healed(ends[0].node, before)
        return judged(failure, wanted, paths, alive)

    def _alive(self, wanted: Iterable[Use], paths: frozenset[Use]) -> frozenset[Use]:
        """Return the uses that packets find alive, once all that should be are or nothing changes any more."""
        back = settled({use: self.flows[use] for use in paths}, QUIET_S)
        time.sleep(STEADY_S)
        tried = tuple(wanted)
        answers = reached([self.flows[use] for use in tried], LAST_S)
        alive = {use for use, answered in zip(tried, answers, strict=True) if answered}
        # A neighbour that a busy machine gave up comes back: what was alive is waited for before it counts as lost.
        return frozenset(alive | settled({use: self.flows[use] for use in back - alive}, QUIET_S))

    def _ends(self, failure: Failure) -> tuple[Plug, ...]:
        if failure.kind == "link":
            return tuple(link.ends[0] for link in self.topology.links if link.name == failure.name)
        links = self.topology.links_of(failure.name)
        return tuple(end for link in links for end in link.ends if end.node == failure.name)

    def _switch(self, ends: tuple[Plug, ...], state: str) -> None:
        ip((f"link set {end.port} {state}" for end in ends), namespace=namespace(self.topology.lab, ends[0].node))

    def _healed(self, node: str, before: frozenset[tuple[str, str]]) -> None:
        limit = time.monotonic() + HEAL_S
        while missing := before - full(self.topology, node):
            if time.monotonic() > limit:
                lost = ", ".join(sorted(f"{router} on {port}" for router, port in missing))
                what = f"{node} does not find its neighbours again within {HEAL_S:.0f} s of a failure"
                raise LabError(what, why=lost, hint="try it with fewer things at work on this machine")
            time.sleep(_PAUSE_S)
