"""Whether a change made anything worse for a device: its state before and after, compared. Pure.

Only what the network intends counts: what a change takes away on purpose is no loss.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network

from inventory.network import Network
from inventory.policy.rules import pools
from nornir_tasks.session import DeviceSession, Health, Question
from nornir_tasks.verify import Adjacency, bgp_links, ospf_links

# So many errors a port may count while it is set up anew.
ERRORS = 10
# So many prefixes are named; of more only their number is said.
_NAMED = 3


def question(network: Network, device: str, placement: Mapping[str, str]) -> Question:
    """Return what a device is to be asked, with the services where ``placement`` (service → site) says.

    They are to answer the gateway of the unit's first network, as they answer its users; elsewhere the loopback.
    """
    nets = network.nets_of(device)
    services = {service: network.services[service] for service in placement if service in network.services}
    source = nets[0].gateway if nets else network.node(device).loopback
    return Question(pools(network), services, source, bgp=bool(bgp_links(network, device)))


def ask(_: str, session: DeviceSession, asked: Question) -> Health:
    """Ask a device: an action for a fleet."""
    return session.health(asked)


def worse(before: Health, after: Health, network: Network, device: str, scope: Collection[str] = ()) -> tuple[str, ...]:
    """Return a sentence for everything that a device had before and has lost.

    ``scope`` are the devices that are still to be armed: a line to one of them may wait for its other end.
    """
    return (
        *_neighbours(before, after, network, device, scope),
        *_routes(before, after, network),
        *_services(before, after),
        *_errors(before, after),
    )


def _neighbours(before: Health, after: Health, network: Network, device: str, scope: Collection[str]) -> Iterator[str]:
    ospf = before.neighbours.ospf - after.neighbours.ospf
    bgp = before.neighbours.bgp - after.neighbours.bgp
    lost = [("OSPF", link) for link in _of(ospf_links(network, device), ospf, scope)]
    lost += [("BGP", link) for link in _of(bgp_links(network, device), bgp, scope)]
    for protocol, link in lost:
        yield f"{protocol} to {link.node} is not up any more"


def _of(links: Collection[Adjacency], lost: Collection[object], scope: Collection[str]) -> Iterator[Adjacency]:
    return (link for link in links if link.known_by in lost and link.node not in scope)


def _routes(before: Health, after: Health, network: Network) -> Iterator[str]:
    if before.routes is None or after.routes is None:
        return
    owners = dict(_owners(network))
    lost = sorted(prefix for prefix in before.routes - after.routes if prefix in owners)
    named = [f"{owners[prefix]} ({prefix})" for prefix in lost[:_NAMED]]
    more = [f"{len(lost) - _NAMED} more"] if len(lost) > _NAMED else []
    if lost:
        yield f"no route any more to {', '.join([*named, *more])}"


def _owners(network: Network) -> Iterator[tuple[IPv4Network, str]]:
    """Yield every prefix the district owns by itself, with what it belongs to."""
    for node in network.nodes.values():
        yield IPv4Network(node.loopback), node.id
    for wire in network.wires:
        yield wire.ends[0].address.network, wire.name
    for net in network.nets:
        yield net.prefix, f"{net.unit}/{net.vlan.id}"
    for service, address in network.services.items():
        yield IPv4Network(address), service


def _services(before: Health, after: Health) -> Iterator[str]:
    if before.services is not None and after.services is not None:
        for service in sorted(before.services - after.services):
            yield f"{service} does not answer any more"


def _errors(before: Health, after: Health) -> Iterator[str]:
    if before.errors is None or after.errors is None:
        return
    for port, count in after.errors.items():
        more = count - before.errors.get(port, count)
        if more > ERRORS:
            yield f"{port} has counted {more} errors since"
