"""What a drill tries, from the inventory: sample units, what of the services each may use, and what it may not. Pure.

The filter of a sample is that of its own access switch (``inventory.intent``), what must pass it is what the policy
says (``inventory.policy``): both are made from the same rules in different ways, and the drill's packets compare them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from inventory.intent import device_intent
from inventory.intent.filters import Entry, UserFilter
from inventory.network import Network, UserNet, user_host
from inventory.placement import home
from inventory.policy import Cell, expected
from netdr.kernel.errors import BackupError


@dataclass(frozen=True, slots=True)
class Try:
    """A TCP connection from a sample unit to a service's address, and whether it must come about."""

    service: str
    port: int
    permitted: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """What a unit's switch lets through to the services: the first that matches decides, the rest is dropped."""

    destination: str
    protocol: str = ""
    ports: tuple[int, ...] = ()
    permitted: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """A unit that takes part: one user of it, at ``address``."""

    unit: str
    address: str
    passes: tuple[Pass, ...]
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Exercise:
    """All that is tried. ``services``: the address of each."""

    services: Mapping[str, str] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()

    def dump(self) -> str:
        """Return it as the JSON that ``load`` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def load(cls, text: str, where: str) -> Exercise:
        """Return what ``dump`` wrote, an exercise without units for no text. Raise BackupError if it is neither."""
        try:
            value = json.loads(text or "{}")
            return cls(dict(value.get("services", {})), tuple(_sample(one) for one in value.get("samples", ())))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise BackupError("what a drill is to try cannot be read", where=where, why=str(error)) from error


def of_network(network: Network) -> Exercise:
    """Return what is tried in a district: one network of each class of users in each zone takes part.

    Echo (``icmp``) is not tried: it asks the host, not the service.
    """
    by_source = expected(network).by_source
    samples = [_of_net(network, net, by_source[user_host(network, net)]) for net in _chosen(network)]
    return Exercise({name: str(address) for name, address in network.services.items()}, tuple(samples))


def _chosen(network: Network) -> Sequence[UserNet]:
    found: dict[tuple[str, str], UserNet] = {}
    for net in network.nets:
        found.setdefault((network.units[net.unit].user_class, net.vlan.zone), net)
    return tuple(found.values())


def _of_net(network: Network, net: UserNet, cells: Sequence[Cell]) -> Sample:
    intent = device_intent(network, net.device, home(network.district).active)
    mine = next(one for one in intent.filters.users if one.vlan == net.vlan.id) if intent.filters else None
    tries = [
        Try(cell.destination, int(cell.port.removeprefix("tcp/")), cell.verdict == "permit")
        for cell in cells
        if cell.destination in network.services and cell.port.startswith("tcp/")
    ]
    return Sample(net.unit, str(net.first_host), _passes(network, mine) if mine else (), tuple(tries))


def _passes(network: Network, mine: UserFilter) -> tuple[Pass, ...]:
    """Return the lines of a switch's filter that may be about a service."""
    return tuple(
        _pass(entry) for entry in mine.outward if any(a in entry.destination for a in network.services.values())
    )


def _pass(entry: Entry) -> Pass:
    return Pass(str(entry.destination), entry.protocol or "", entry.ports, entry.action == "permit")


def _sample(value: Mapping[str, object]) -> Sample:
    passes, tries = value["passes"], value["tries"]
    if not (isinstance(passes, list) and isinstance(tries, list)):
        message = "not a sample"
        raise TypeError(message)
    lines = tuple(Pass(**{**one, "ports": tuple(one["ports"])}) for one in passes)
    return Sample(str(value["unit"]), str(value["address"]), lines, tuple(Try(**one) for one in tries))
