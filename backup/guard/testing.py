"""Two sites, their controllers, three witnesses and the lines between them, in memory: to try the rules in every order.

Time goes in ticks of ``PACE.every``. In each tick everybody who has power looks once, in any order, and at most
``flaps`` lines are cut or healed. A ``State`` is a value; ``World.events`` says what can happen next, ``World.after``
what it makes. One service; it accepts writes where its host has power and found, when it last looked, that it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Literal

from backup.guard import decide
from backup.guard.decide import NEVER, Held, Order, Pace, Right, Sight

PACE = Pace(lease=3, every=1)
SERVICE = "service"
SITES = ("main", "dr")
HOSTS = {"main": "host-main", "dr": "host-dr"}
CONTROLLERS = {"main": "controller-main", "dr": "controller-dr"}
WITNESSES = ("unit-1", "unit-2", "unit-3")
SITE_OF = {node: site for names in (HOSTS, CONTROLLERS) for site, node in names.items()}
Line = tuple[str, str]
Kind = Literal["cut", "heal", "crash", "boot", "look", "move", "tick"]
Event = tuple[Kind, str]

# One unit hangs on each site, the third on the line between them.
TREE: tuple[Line, ...] = (
    ("host-main", "main"),
    ("controller-main", "main"),
    ("host-dr", "dr"),
    ("controller-dr", "dr"),
    ("main", "city"),
    ("dr", "city"),
    ("unit-1", "main"),
    ("unit-2", "dr"),
    ("unit-3", "city"),
)
# Every path of its own: A reaches B and B reaches C does not say that A reaches C.
MESH: tuple[Line, ...] = tuple(
    (one, other) for number, one in enumerate(SITE_OF) for other in (*list(SITE_OF)[number + 1 :], *WITNESSES)
)


@dataclass(frozen=True, slots=True)
class Host:
    """A services host: what it holds, and whether it accepts writes since it last looked."""

    held: Held = field(default_factory=lambda: Held(0, {SERVICE: "main"}))
    serves: bool = False
    boots: int = 0


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller: its record, its right, what it saw, what each node is known to have written down.

    ``clocks``: what each host said its time was, and which boot of it that was.
    """

    epoch: int = 0
    active: str = "main"
    right: Right = field(default_factory=Right)
    sight: Sight | None = None
    known: Mapping[str, int] = field(default_factory=dict)
    clocks: Mapping[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules on trial. ``boot``: what a host holds when it boots; ``check``: what it still holds at a look."""

    boot: Callable[[Held], Held] = lambda held: Held(held.epoch, held.active)
    check: Callable[[Held, float, int], Held] = lambda held, now, reached: decide.witnessed(
        held, now, reached, len(WITNESSES), PACE
    )
    right: Callable[..., Right] = decide.right
    unsettled: Callable[..., Mapping[str, float]] = decide.unsettled
    may_promote: Callable[..., decide.Verdict] = decide.may_promote


@dataclass(frozen=True, slots=True)
class State:
    """Everything there is at a moment. ``looked``: who has looked in this tick; ``flapped``: lines changed in it.

    ``wrong``: whether at any time two sites accepted writes, or one did by a placement older than one served before.
    """

    hosts: Mapping[str, Host]
    controllers: Mapping[str, Controller]
    now: int = 0
    cut: frozenset[Line] = frozenset()
    dead: frozenset[str] = frozenset()
    looked: frozenset[str] = frozenset()
    flapped: int = 0
    newest_served: int = -1
    wrong: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this state from others: times as ages, those that make no difference any more as one."""
        hosts = tuple(
            (item.held.epoch, item.held.active[SERVICE], item.held.confirmed, self._age(item.held.heard), item.serves)
            for item in self.hosts.values()
        )
        controllers = tuple(self._of(item) for item in self.controllers.values())
        return hosts, controllers, self.cut, self.dead, self.looked, self.flapped, self.newest_served, self.wrong

    def _of(self, item: Controller) -> tuple[object, ...]:
        sight = item.sight
        seen = sight and (self._age(sight.looked), *(self._age(at) for at in sight.seen.values()))
        clocks = tuple(
            (host, self._age(at))
            for host, (boots, at) in sorted(item.clocks.items())
            if boots == self.hosts[host].boots
        )
        known = tuple(sorted(item.known.items()))
        right = (item.right.in_step, self._age(item.right.had))
        return item.epoch, item.active, right, seen, known, clocks

    def _age(self, at: float) -> float:
        return min(self.now - at, PACE.silence + 1)

    @property
    def active(self) -> tuple[str, ...]:
        """The sites that accept writes."""
        return tuple(SITE_OF[name] for name, item in self.hosts.items() if item.serves)


@dataclass(frozen=True)
class World:
    """The lines there are, how many may change in a tick, and the rules that everybody goes by."""

    lines: tuple[Line, ...] = TREE
    flaps: int = 1
    rules: Rules = field(default_factory=Rules)

    def start(self) -> State:
        """Return a quiet day: everybody has just been switched on."""
        hosts = {name: Host() for name in HOSTS.values()}
        return State(hosts, {name: Controller() for name in CONTROLLERS.values()})

    def events(self, state: State) -> Iterator[Event]:
        """Yield everything that can happen next."""
        for one, other in self.lines if state.flapped < self.flaps else ():
            yield ("heal" if (one, other) in state.cut else "cut"), f"{one} {other}"
        for node in SITE_OF:
            yield ("boot" if node in state.dead else "crash"), node
            if node not in state.dead and node not in state.looked:
                yield "look", node
        for node in CONTROLLERS.values():
            if node not in state.dead and state.controllers[node].active != SITE_OF[node]:
                yield "move", node
        if state.looked | state.dead >= set(SITE_OF):
            yield "tick", ""

    def round(self, state: State, order: Iterable[str], events: Mapping[int, Event] = MappingProxyType({})) -> State:
        """Return the state a tick later: everybody looks in this order, each event comes before the look it is for."""
        for number, name in enumerate(order):
            if number in events:
                state = self.after(state, events[number])
            if name not in state.dead | state.looked:
                state = self.after(state, ("look", name))
        return self.after(state, ("tick", ""))

    def after(self, state: State, event: Event) -> State:
        """Return the state that an event makes of another."""
        kind, name = event
        if kind == "tick":
            return replace(state, now=state.now + 1, looked=frozenset(), flapped=0)
        if kind in {"cut", "heal"}:
            one, other = name.split()
            return replace(state, cut=state.cut ^ {(one, other)}, flapped=state.flapped + 1)
        if kind in {"crash", "boot"}:
            return self._power(state, name)
        if kind == "move":
            return self._move(state, name)
        look = self._host_looks if name in state.hosts else self._controller_looks
        return replace(look(state, name), looked=state.looked | {name})

    def reached(self, state: State, name: str) -> frozenset[str]:
        """Return the nodes with power that a node reaches now."""
        return _reached(self.lines, state.cut, name) - state.dead

    def _power(self, state: State, name: str) -> State:
        dead = state.dead ^ {name}
        if name in state.hosts:
            item = state.hosts[name]
            found = Host(self.rules.boot(item.held), serves=False, boots=item.boots + 1)
            return replace(state, dead=dead, hosts={**state.hosts, name: found}, looked=state.looked | {name})
        item_ = state.controllers[name]
        fresh = Controller(item_.epoch, item_.active)
        controllers = {**state.controllers, name: fresh}
        return replace(state, dead=dead, controllers=controllers, looked=state.looked | {name})

    def _host_looks(self, state: State, name: str) -> State:
        item, reached = state.hosts[name], len(self.reached(state, name) & set(WITNESSES))
        held = self.rules.check(item.held, state.now, reached)
        serves = held.confirmed and held.active[SERVICE] == SITE_OF[name]
        hosts = {**state.hosts, name: replace(item, held=held, serves=serves)}
        if not serves:
            return replace(state, hosts=hosts)
        two = sum(one.serves for one in hosts.values()) > 1
        wrong = state.wrong or two or held.epoch < state.newest_served
        return replace(state, hosts=hosts, newest_served=max(state.newest_served, held.epoch), wrong=wrong)

    def _controller_looks(self, state: State, name: str) -> State:
        mine = self._sees(state, name)
        state = replace(state, controllers={**state.controllers, name: mine})
        for host in sorted(self.reached(state, name) & set(state.hosts)):
            state = self._tell(state, name, host)
        return state

    def _sees(self, state: State, name: str) -> Controller:
        """Return what a controller is after it heard the others, and looked whom it and the witnesses reach."""
        mine, others = state.controllers[name], [other for other in state.controllers if other != name]
        reached = self.reached(state, name)
        answering = [other for other in others if other in reached]
        newest = max((state.controllers[other] for other in answering), key=lambda item: item.epoch, default=mine)
        if newest.epoch > mine.epoch:
            mine = replace(mine, epoch=newest.epoch, active=newest.active)
        asked = [unit for unit in WITNESSES if unit in reached]
        has_majority = decide.majority(len(asked), len(WITNESSES))
        nodes = [*others, *state.hosts]
        there = reached.union(*(self.reached(state, unit) for unit in asked))
        known = {**mine.known, **{other: state.controllers[other].epoch for other in answering}}
        return replace(
            mine,
            right=self.rules.right(
                mine.right, state.now, PACE, all_agree=len(answering) == len(others), has_majority=has_majority
            ),
            sight=decide.sighted(mine.sight, state.now, nodes, there if has_majority else None, PACE),
            known=known,
        )

    def _tell(self, state: State, name: str, host: str) -> State:
        """Have a controller order a host, by what the host said the last time; then it hears how the host is now."""
        mine, item = state.controllers[name], state.hosts[host]
        sight = mine.sight
        waits = self.rules.unsettled(mine.epoch, mine.known, sight, state.now, PACE) if sight else {host: 1}
        boots, clock = mine.clocks.get(host, (-1, NEVER))
        confirms = mine.right.entitled and not set(waits) - {host} and boots == item.boots
        order = Order(mine.epoch, {SERVICE: mine.active}, clock if confirms else None)
        told = self.obeyed(item, order, state.now)
        known = {**mine.known, host: told.held.epoch}
        clocks = {**mine.clocks, host: (item.boots, float(state.now))}
        mine = replace(mine, known=known, clocks=clocks)
        return replace(state, hosts={**state.hosts, host: told}, controllers={**state.controllers, name: mine})

    @staticmethod
    def obeyed(item: Host, order: Order, now: int) -> Host:
        """Return a host after an order: it stops at once what a newer placement takes away, and starts nothing yet."""
        held = decide.obey(item.held, order, now, PACE)
        return replace(item, held=held, serves=item.serves and held.epoch == item.held.epoch)

    def _move(self, state: State, name: str) -> State:
        """Have a controller make its own site the active one, if it may."""
        mine = state.controllers[name]
        verdict = self.rules.may_promote(mine.sight, mine.right, self.reached(state, name), state.now, PACE)
        if not verdict.allowed:
            return state
        moved = replace(mine, epoch=mine.epoch + 1, active=SITE_OF[name])
        return replace(state, controllers={**state.controllers, name: moved})


@cache
def _reached(lines: tuple[Line, ...], cut: frozenset[Line], start: str) -> frozenset[str]:
    """Return the nodes at the far ends: in a tree by way of places, in a mesh only directly."""
    found, new = {start}, {start}
    while new:
        near = {end for line in lines if line not in cut for end in line if new & set(line)}
        new = (near - found) & {"main", "dr", "city"}
        found |= near
    return frozenset(found)
