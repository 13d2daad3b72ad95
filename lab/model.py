"""What a lab is made of: nodes, the cables between them, and what is on each node's disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from lab.files import File
from netdr.kernel.errors import LabError, unknown

Kind = Literal["device", "host", "user", "city"]


@dataclass(frozen=True, slots=True)
class LabNode:
    """A machine of the lab. ``address`` is its loopback, a user host's address in its network.

    ``environment`` and ``folder`` (the working directory) are what a command run inside gets.
    """

    id: str
    kind: Kind
    site: str
    address: str
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"


@dataclass(frozen=True, slots=True)
class Plug:
    """A port of a node: one end of a cable, or a spare."""

    node: str
    port: str

    @property
    def hidden(self) -> str:
        """The name of what a spare port ends in: an interface that is never switched on, so the port has no carrier."""
        return f"~{self.port}"


@dataclass(frozen=True, slots=True)
class LabLink:
    """A cable. Cutting it takes the port of ``ends[0]`` down: the other end stays switched on and loses its carrier."""

    name: str
    ends: tuple[Plug, Plug]


@dataclass(frozen=True)
class Topology:
    """The nodes and cables of the lab called ``lab``: all that is needed to work with it while it runs."""

    lab: str
    nodes: tuple[LabNode, ...]
    links: tuple[LabLink, ...]
    # Ports that a switch has and nothing is plugged into: what a later change of the inventory may give a network.
    spares: tuple[Plug, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, LabNode]:
        """The nodes by id."""
        return {node.id: node for node in self.nodes}

    def node(self, name: str) -> LabNode:
        """Return the node called ``name``. Raise LabError, listing the known ones, if there is none."""
        if name not in self.by_id:
            raise LabError(unknown("node", name, self.by_id))
        return self.by_id[name]

    def links_of(self, name: str) -> tuple[LabLink, ...]:
        """Return the cables of a node."""
        return tuple(link for link in self.links if name in {end.node for end in link.ends})

    def ports_of(self, name: str) -> tuple[str, ...]:
        """Return the ports of a node, with a cable or without one, and the hidden ends of those without."""
        cabled = tuple(end.port for link in self.links for end in link.ends if end.node == name)
        return cabled + tuple(
            port for spare in self.spares if spare.node == name for port in (spare.port, spare.hidden)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``of`` reads them back."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Topology:
        """Given what ``as_dict`` returned, return the topology."""
        links = tuple(
            LabLink(link["name"], (Plug(**link["ends"][0]), Plug(**link["ends"][1]))) for link in value["links"]
        )
        spares = tuple(Plug(**spare) for spare in value["spares"])
        return cls(value["lab"], tuple(LabNode(**node) for node in value["nodes"]), links, spares)


@dataclass(frozen=True)
class LabPlan:
    """A lab to be brought up.

    ``bases`` has the files that all nodes of a kind have, ``disks`` each node's own, by absolute path; they may hold
    secrets. ``boot`` (in ``/etc/netdr-lab/``) runs at every boot of a node, ``first-start`` only after
    the first. ``shares`` are folders of this machine that every node sees, read-only, as they are now; ``hidden`` are
    folders that no node sees.
    """

    topology: Topology
    bases: Mapping[Kind, Mapping[str, File]] = field(repr=False)
    disks: Mapping[str, Mapping[str, File]] = field(repr=False)
    shares: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


BOOT = "/etc/netdr-lab/boot"
FIRST_START = "/etc/netdr-lab/first-start"
