"""Bring a lab up, look at it, break and heal it, take it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

from lab import disk, node, processes, state, wiring
from lab.converge import converge
from lab.model import FIRST_START, Kind, LabLink, LabPlan, Plug, Topology
from lab.parallel import each
from lab.state import LabState, lock
from netdr.kernel.errors import LabError, unknown

Step = Literal["clean", "disks", "network", "boot", "converge", "services"]
Watch = Callable[[Step], AbstractContextManager[object]]
CONVERGE_LIMIT_S = 60.0


def _unwatched(step: Step) -> AbstractContextManager[object]:  # noqa: ARG001 - nobody is told
    return nullcontext()


def up(plan: LabPlan, account: str, watch: Watch = _unwatched, limit_s: float = CONVERGE_LIMIT_S) -> None:
    """Build the lab of a plan, boot every node and wait until the first controller reaches every device and host.

    ``account`` is the management account; ``watch`` is entered around each step. What a killed lab of that name left
    is removed first. If anything fails, or on Ctrl-C, all that was made is removed again. Raise LabError if a lab of
    that name is up already, Problems with all that failed or is not reached within ``limit_s`` seconds.
    """
    topology = plan.topology
    with lock(topology.lab):
        found = state.load(topology.lab)
        if found is not None and found.stage == "up":
            raise LabError(f"the lab {topology.lab} is up already", hint="netdr lab down, or another --name")
        with watch("clean"):
            _remove(topology.lab)
        try:
            _build(plan, account, watch, limit_s)
        except BaseException:
            _remove(topology.lab)
            raise
        state.save(LabState(topology, "up"))


def _build(plan: LabPlan, account: str, watch: Watch, limit_s: float) -> None:
    topology = plan.topology
    state.save(LabState(topology, "starting"))
    with watch("disks"):
        disk.prepare(plan, account)
    with watch("network"):
        wiring.build(topology)
    with watch("boot"):
        each(_boot_order(topology), lambda name: node.boot(topology, name))
    with watch("services"):
        first = [name for name, files in plan.disks.items() if FIRST_START in files]
        each(first, lambda name: node.run_script(topology, name, FIRST_START))
    with watch("converge"):
        converge(topology, limit_s)


def _boot_order(topology: Topology) -> list[str]:
    """Return the nodes, what routes first: it finds its neighbours while the others boot."""
    rank: dict[Kind, int] = {"city": 0, "device": 1, "host": 2, "user": 3}
    return [found.id for found in sorted(topology.nodes, key=lambda item: rank[item.kind])]


def down(lab: str) -> Leftovers:
    """Remove a lab, whole or in part, and return what is left of it: nothing, unless the kernel holds on to it."""
    with lock(lab):
        _remove(lab)
    return leftovers(lab)


def _remove(lab: str) -> None:
    found = state.load(lab)
    if found is not None:
        state.save(found.to("stopping"))
    processes.end_all(lab)
    wiring.remove(lab)
    disk.detach(lab)
    state.forget(lab)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is there of a lab: network namespaces by name, mount points, process ids, folders."""

    namespaces: tuple[str, ...]
    mounts: tuple[str, ...]
    processes: tuple[int, ...]
    folders: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many things there are."""
        return len(self.namespaces) + len(self.mounts) + len(self.processes) + len(self.folders)


def leftovers(lab: str) -> Leftovers:
    """Return everything on this machine that belongs to a lab: all of it while it runs, nothing after ``down``."""
    folders = (str(path) for path in (state.run_folder(lab), state.disks(lab)) if path.exists())
    return Leftovers(wiring.present(lab), disk.mounts(lab), processes.processes(lab), tuple(folders))


def enter(lab: str, name: str) -> list[str]:
    """Return the argv prefix that runs a command inside a node of a running lab.

    Raise LabError if there is no such lab or node, or the node has no power.
    """
    return node.enter(_existing(lab).topology, name)


def _existing(lab: str) -> LabState:
    """Return the state of a lab, complete or not. Raise LabError, listing those that are there, if there is none."""
    found = state.load(lab)
    if found is None:
        raise LabError(unknown("lab", lab, state.names()), hint="netdr lab up")
    return found


# ---- failures ------------------------------------------------------------------------------------------------


def break_(lab: str, target: str) -> tuple[str, ...]:
    """Cut a cable (``core-1--agg-gac``, ends in any order), or take the power of a node or of a whole site at once.

    A cut cable takes one port down: the far one stays switched on and loses its carrier (which end: LabLink). A node
    without power has nothing in memory any more: no process, no route, no filter; its disk stays. Return the names of
    the cables and nodes. Raise LabError, listing what there is, if there is no such target.
    """
    with lock(lab):
        before = state.running(lab)
        topology = before.topology
        if link := _link(topology, target):
            state.save(replace(before, cut=_with(before.cut, [link.name])))
            wiring.switch(lab, [link.ends[0]], up=False)
            return (link.name,)
        names = _nodes(topology, target)
        state.save(replace(before, dead=_with(before.dead, names)))
        node.power_off(topology, names)
        return names


def heal(lab: str, target: str) -> tuple[str, ...]:
    """Undo ``break_``: join the cable, or boot the nodes from their disks. What was not broken is left alone.

    Return the names of the cables and nodes healed. Raise LabError if there is no such target, Problems if a node does
    not boot.
    """
    with lock(lab):
        before = state.running(lab)
        topology = before.topology
        if link := _link(topology, target):
            healed = tuple(name for name in before.cut if name == link.name)
            _join(topology, [link] if healed else [], before.dead)
            state.save(replace(before, cut=_without(before.cut, healed)))
            return healed
        names = tuple(name for name in _nodes(topology, target) if name in before.dead)
        # What an attempt that failed has left running goes first.
        node.power_off(topology, names)
        each(names, lambda name: node.boot(topology, name))
        cut = [link.ends[0] for link in topology.links if link.name in before.cut and link.ends[0].node in names]
        wiring.switch(lab, cut, up=False)
        state.save(replace(before, dead=_without(before.dead, names)))
        return names


def _join(topology: Topology, links: Iterable[LabLink], dead: tuple[str, ...]) -> None:
    ends: list[Plug] = [link.ends[0] for link in links if link.ends[0].node not in dead]
    wiring.switch(topology.lab, ends, up=True)


def _with(names: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*names, *more}))


def _without(names: tuple[str, ...], less: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*names} - {*less}))


def _link(topology: Topology, target: str) -> LabLink | None:
    ends = set(target.split("--"))
    return next((link for link in topology.links if {end.node for end in link.ends} == ends), None)


def _nodes(topology: Topology, target: str) -> tuple[str, ...]:
    if target in topology.by_id:
        return (target,)
    names = tuple(found.id for found in topology.nodes if found.site == target)
    if not names:
        known = {*topology.by_id, *(found.site for found in topology.nodes), *(link.name for link in topology.links)}
        raise LabError(unknown("link, node or site", target, known))
    return names


# ---- looking -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node as it is now. ``power`` tells whether its process 1 is there, ``processes`` how many it has."""

    id: str
    kind: Kind
    site: str
    address: str
    power: bool


@dataclass(frozen=True, slots=True)
class LabStatus:
    """One lab as it is now. ``memory_mb`` is megabytes (10^6) of all its processes and in-memory files."""

    lab: str
    stage: str
    memory_mb: int
    cut: tuple[str, ...]
    nodes: tuple[NodeStatus, ...]


def status(lab: str) -> LabStatus:
    """Return how a lab is. Raise LabError, listing those that are there, if there is no such lab."""
    found = _existing(lab)
    nodes = tuple(
        NodeStatus(item.id, item.kind, item.site, item.address, node.has_power(lab, item))
        for item in found.topology.nodes
    )
    return LabStatus(lab, found.stage, memory_mb(lab), found.cut, nodes)


def memory_mb(lab: str) -> int:
    """Return the megabytes (10^6) of a lab's processes, shared pages counted once, and of its in-memory files."""
    used = processes.memory(processes.processes(lab))
    used += sum(node.memory_files(lab, item.id) for item in _existing(lab).topology.nodes)
    return round(used / 1e6)
