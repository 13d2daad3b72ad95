"""What a controller sees of the other controllers, the witnesses and the hosts, every few seconds; what it tells them.

A look has to be over well within half a lease, also when half of the district is dead: nobody is asked anything by ssh
who does not answer at its port.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from backup.guard import clock, decide
from backup.guard.book import Book, book_of, witnesses
from backup.guard.decide import Order, Pace, Right, Sight
from backup.guard.hosts import Heard
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import NetdrError, UnreachableError


@dataclass(frozen=True)
class Parts:
    """What a controller works with; every part answers within seconds.

    ``peer``: the placement that another controller has, UnreachableError if it does not answer. ``answering``: of the
    nodes named, those that answer this controller. ``witness``: of the nodes named, those that a switch reaches,
    UnreachableError if it cannot be asked. ``exchange``: give a host an order for a run of it, and return what it
    said, None if it has no guard. ``hand_over``: give a host its book, start its guard; whether it may go on as it is.
    """

    load: Callable[[], Placement]
    save: Callable[[Placement], None]
    peer: Callable[[str], Placement]
    answering: Callable[[Sequence[str]], tuple[str, ...]]
    witness: Callable[[str, Sequence[str]], tuple[str, ...]]
    exchange: Callable[[str, Order, str], Heard | None]
    hand_over: Callable[[str, Placement, bool], None]
    now: Callable[[], float] = clock.now


@dataclass(frozen=True)
class Cast:
    """Who is watched: the other controllers, and each services host with its book."""

    others: tuple[str, ...]
    books: Mapping[str, Book]
    witnesses: tuple[str, ...]
    pace: Pace

    @classmethod
    def of(cls, network: Network, controller: str, pace: Pace) -> Cast:
        """Return who is watched by a controller."""
        others = tuple(node.id for node in network.hosts("controller") if node.id != controller)
        books = {node.id: book_of(network, node.id, pace) for node in network.hosts("services")}
        return cls(others, books, tuple(witnesses(network)), pace)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Everybody who could let an older epoch be served."""
        return (*self.others, *self.books)


@dataclass(frozen=True)
class View:
    """What a controller knows after a look.

    ``known``: the epoch that each node is known to have carried out. ``heard``: what each host said last. ``waits``:
    for whose sake the epoch is not confirmed, and for how many seconds more. ``problems``: what went wrong this time.
    """

    right: Right = field(default_factory=Right)
    sight: Sight | None = None
    known: Mapping[str, int] = field(default_factory=dict)
    heard: Mapping[str, Heard] = field(default_factory=dict)
    waits: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def look(parts: Parts, cast: Cast, before: View) -> View:
    """Return what a controller knows after it looked around, took over what is newer, and told the hosts."""
    began, mine = parts.now(), parts.load()
    there = parts.answering(cast.nodes)
    peers = _each([other for other in cast.others if other in there], parts.peer)
    answered = {other: one for other, one in peers.items() if isinstance(one, Placement)}
    newest = max((mine, *answered.values()), key=lambda one: one.epoch)
    if newest.epoch > mine.epoch:
        parts.save(newest)
    torn = sorted(other for other, one in answered.items() if one.epoch == newest.epoch and one != newest)
    all_agree = len(answered) == len(cast.others) and not torn
    # On a quiet day everybody answers, and no witness is asked.
    quiet = all_agree and set(there) == set(cast.nodes)
    awake = () if quiet else parts.answering(cast.witnesses)
    has_majority = decide.majority(len(awake), len(cast.witnesses))
    right = decide.right(before.right, began, cast.pace, all_agree=all_agree, has_majority=has_majority)
    seen = set(there) if quiet else _seen(parts, cast, there, awake)
    now = parts.now()
    sight = decide.sighted(before.sight, now, cast.nodes, seen, cast.pace)
    known = {**before.known, **{other: one.epoch for other, one in answered.items()}}
    waits = decide.unsettled(newest.epoch, known, sight, now, cast.pace)
    said = tuple(f"{other} has another placement of epoch {newest.epoch}" for other in torn)
    view = View(right, sight, known, before.heard, waits, said)
    told = _each([host for host in cast.books if host in there], lambda host: _tell(parts, cast, view, newest, host))
    return _with(view, told, peers)


def _seen(parts: Parts, cast: Cast, there: Collection[str], awake: Sequence[str]) -> set[str] | None:
    """Return the nodes that this controller or a witness reaches, None if too few witnesses can be asked."""
    missing = [node for node in cast.nodes if node not in there]
    answers = _each(awake if missing else (), lambda switch: parts.witness(switch, missing))
    reports = [one for one in answers.values() if isinstance(one, tuple)]
    if missing and not decide.majority(len(reports), len(cast.witnesses)):
        return None
    return set(there).union(*reports)


def _tell(parts: Parts, cast: Cast, view: View, placement: Placement, host: str) -> Heard | None:
    """Give a host its order, confirmed if that is right now; return how its guard stood before."""
    last, book = view.heard.get(host), cast.books[host]
    confirms = view.right.entitled and not view.waits.keys() - {host}
    known = last is not None and last.guarded(book)
    order = Order(placement.epoch, placement.active, last.standing.at if last and known and confirms else None)
    heard = parts.exchange(host, order, last.standing.life if last else "")
    if heard is None or not heard.guarded(book):
        # Hosts that are not guarded yet do not wait for each other: they are as the placement found them.
        silent = view.waits.keys() - {host} - (cast.books.keys() - view.heard.keys())
        parts.hand_over(host, placement, view.right.entitled and not silent)
    return heard


def _with(view: View, told: Mapping[str, object], peers: Mapping[str, object]) -> View:
    heard = {host: one for host, one in told.items() if isinstance(one, Heard)}
    known = {**view.known, **{host: one.standing.acked for host, one in heard.items()}}
    failures = (one for one in (*peers.values(), *told.values()) if isinstance(one, NetdrError))
    said = tuple(str(one) for one in failures if not isinstance(one, UnreachableError))
    guards = tuple(f"{host}: {words}" for host, one in heard.items() for words in one.standing.problems)
    return replace(view, known=known, heard={**view.heard, **heard}, problems=(*view.problems, *said, *guards))


def _each(names: Sequence[str], ask: Callable[[str], object]) -> dict[str, object]:
    """Ask for each name at the same time; return the answers, or the error that was one."""

    def one(name: str) -> object:
        try:
            return ask(name)
        except NetdrError as error:
            return error

    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def verdict(cast: Cast, view: View, answering: Collection[str], now: float) -> decide.Verdict:
    """Return whether another site may be made active ``now``: who is ``answering`` will hear of it.

    Everybody else has to have been silent for long enough.
    """
    return decide.may_promote(view.sight, view.right, answering, now, cast.pace)
