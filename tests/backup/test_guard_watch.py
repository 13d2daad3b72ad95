"""A controller's watch: what it takes over, what it confirms, what it waits for, and what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backup.guard import memory, watch
from backup.guard.book import Book, Guarded
from backup.guard.decide import Held, Order, Pace, Verdict
from backup.guard.files import Standing
from backup.guard.hosts import Heard
from backup.guard.watch import Cast, Parts, View
from inventory.placement import Placement
from netdr.kernel.errors import UnreachableError

PACE = Pace(lease=30, every=5)
HOME, AWAY = Placement(0, {"portal": "main"}), Placement(1, {"portal": "dr"})
SWITCHES = ("acc-1", "acc-2", "acc-3")
BOOKS = {
    host: Book(
        host, site, "10.8.0.1", dict.fromkeys(SWITCHES, "10.9.0.1"), {"portal": Guarded("10.0.0.1")}, HOME.active
    )
    for host, site in (("store", "main"), ("store-b", "dr"))
}
CAST = Cast(("warden",), BOOKS, SWITCHES, PACE)


@dataclass
class District:
    """What the controller of the DR site meets: who is away, what the other controller and the hosts hold."""

    mine: Placement = HOME
    other: Placement = HOME
    away: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    epochs: dict[str, int] = field(default_factory=lambda: {"store": 0, "store-b": 0})
    orders: dict[str, Order] = field(default_factory=dict)
    handed: list[tuple[str, int, bool]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    time: float = 1000.0

    def parts(self) -> Parts:
        return Parts(
            load=lambda: self.mine,
            save=self._save,
            peer=lambda _name: self.other,
            answering=lambda nodes: tuple(node for node in nodes if node not in self.away),
            witness=self._witness,
            exchange=self._exchange,
            hand_over=lambda host, placement, confirmed: self.handed.append((host, placement.epoch, confirmed)),
            now=lambda: self.time,
        )

    def looks(self, view: View, seconds: float) -> View:
        """Look every five seconds for so long."""
        end = self.time + seconds
        while self.time < end:
            self.time += PACE.every
            view = watch.look(self.parts(), CAST, view)
        return view

    def verdict(self, view: View) -> Verdict:
        """Return whether the DR site may be made active now."""
        answering = [node for node in CAST.nodes if node not in self.away]
        return watch.verdict(CAST, view, answering, self.time)

    def _save(self, placement: Placement) -> None:
        self.mine = placement

    def _witness(self, switch: str, nodes: Sequence[str]) -> tuple[str, ...]:
        self.asked.append(switch)
        if switch in self.away:
            raise UnreachableError("no answer", where=switch)
        return tuple(node for node in nodes if node not in self.unseen)

    def _exchange(self, host: str, order: Order, _life: str) -> Heard | None:
        self.orders[host] = order
        held = Held(self.epochs[host], HOME.active)
        before = Standing("life", "boot", self.time, held, book=BOOKS[host].mark, acked=self.epochs[host])
        self.epochs[host] = max(self.epochs[host], order.epoch)
        return Heard(before, 0.5)


def test_on_a_quiet_day_every_host_is_confirmed_and_no_witness_is_asked() -> None:
    district = District()
    view = district.looks(View(), 10)
    assert view.right.entitled
    assert view.waits == {}
    # By the host's clock, as it was told at the look before.
    assert {host: order.asked for host, order in district.orders.items()} == {"store": 1005.0, "store-b": 1005.0}
    assert district.asked == []


def test_a_newer_placement_is_taken_over_and_told() -> None:
    district = District(other=AWAY)
    district.looks(View(), 5)
    assert district.mine == AWAY
    assert district.orders["store"].epoch == 1


def test_a_newer_epoch_is_confirmed_when_the_old_host_has_carried_it_out() -> None:
    district = District()
    view = district.looks(View(), 10)
    district.mine = AWAY
    view = district.looks(view, 5)
    assert set(view.waits) == {"warden", "store", "store-b"}
    assert district.orders["store-b"].asked is None
    district.other = AWAY
    district.looks(view, 10)
    assert district.orders["store-b"].asked is not None


def test_a_main_site_that_nobody_sees_is_waited_for_and_then_replaced() -> None:
    district = District()
    view = district.looks(View(), 10)
    district.away = district.unseen = {"warden", "store"}
    view = district.looks(view, 5)
    refused = district.verdict(view)
    assert not refused.allowed
    # Seen at 1010 for the last time: silent from 1050 on.
    assert refused.waits == {"warden": 35.0, "store": 35.0}
    view = district.looks(view, 35)
    assert district.verdict(view).allowed
    district.mine = AWAY
    district.looks(view, 10)
    assert district.orders["store-b"].asked is not None


def test_a_main_site_that_one_witness_sees_is_not_replaced() -> None:
    district = District()
    view = district.looks(View(), 10)
    district.away, district.unseen = {"warden", "store"}, {"warden"}
    view = district.looks(view, 120)
    assert set(district.verdict(view).waits) == {"store"}


def test_a_controller_that_reaches_no_majority_confirms_nothing_and_decides_nothing() -> None:
    district = District()
    view = district.looks(View(), 10)
    district.away = {"warden", "acc-1", "acc-2"}
    view = district.looks(view, 5)
    assert district.orders["store"].asked is None
    assert "no majority" in district.verdict(view).why[0]
    # Cut off for a lease, the witnesses alone do not bring the right back: something may have been decided meanwhile.
    view = district.looks(view, 30)
    district.away = {"warden"}
    view = district.looks(view, 60)
    assert not view.right.entitled
    assert "has not heard from every other controller" in district.verdict(view).why[0]


def test_two_placements_of_the_same_epoch_confirm_nothing() -> None:
    district = District(mine=AWAY, other=Placement(1, {"portal": "main"}))
    view = district.looks(View(), 10)
    assert not view.right.entitled
    assert view.problems == ("warden has another placement of epoch 1",)


def test_a_controller_that_has_booted_waits_for_the_other_one() -> None:
    district = District(away={"warden"})
    view = district.looks(View(), 120)
    assert not view.right.entitled
    district.away = set()
    assert district.looks(view, 5).right.entitled


def test_a_host_without_a_guard_gets_one() -> None:
    district = District()
    parts = Parts(**{**vars(district.parts()), "exchange": lambda *_: None})
    watch.look(parts, CAST, View())
    assert sorted(district.handed) == [("store", 0, True), ("store-b", 0, True)]
    district.handed.clear()
    district.away = {"warden"}
    watch.look(parts, CAST, View())
    assert sorted(district.handed) == [("store", 0, False), ("store-b", 0, False)]


def test_a_host_that_was_told_nothing_for_long_gets_its_guard_started_again() -> None:
    heard = Heard(Standing("life", "boot", 0, Held(0, {}), book=BOOKS["store"].mark), age=19.9)
    assert heard.guarded(BOOKS["store"])
    assert not Heard(heard.standing, age=20.0).guarded(BOOKS["store"])
    assert not heard.guarded(BOOKS["store-b"])


def test_what_a_watch_knew_is_there_when_it_is_started_again(tmp_path: Path) -> None:
    view = District().looks(View(), 10)
    memory.save(tmp_path, view, 0)
    found = memory.load(tmp_path)
    assert found is not None
    assert (found.right, found.sight, found.known) == (view.right, view.sight, view.known)


def test_nothing_is_known_of_another_boot(tmp_path: Path) -> None:
    assert memory.load(tmp_path) is None
    memory.save(tmp_path, View(), 0)
    path = tmp_path / memory.FILE
    path.write_text(path.read_text().replace('"boot": "', '"boot": "another'), encoding="utf-8")
    assert memory.load(tmp_path) is None


def test_what_a_person_confirms_counts_once_and_is_in_the_journal(tmp_path: Path) -> None:
    memory.confirm(tmp_path, 3, "somebody")
    assert not memory.confirmed(tmp_path, 2)
    memory.confirm(tmp_path, 3, "somebody")
    assert memory.confirmed(tmp_path, 3)
    assert not memory.confirmed(tmp_path, 3)
    assert len((tmp_path / memory.JOURNAL).read_text().splitlines()) == 2
