"""The guard of a host: what it opens, shuts and starts, by its orders, its witnesses and its record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backup.guard import decide
from backup.guard.book import Book, Guarded, book_of, witnesses
from backup.guard.decide import Held, Order, Pace
from backup.guard.files import Place, Record, Standing, dump_order, orders
from backup.guard.host import Guard, Work, work
from backup.host import Result
from backup.postgres import Cluster
from backup.testing import FakeShell
from inventory import load
from netdr.kernel.errors import RecoveryError

PACE = Pace(lease=30, every=5)
SERVICES = {"portal": Guarded("10.0.0.1"), "mail": Guarded("10.0.0.2")}
HOME = {"portal": "main", "mail": "main"}
AWAY = {"portal": "dr", "mail": "main"}


def book(site: str = "main") -> Book:
    switches = {f"acc-{number}": f"10.9.0.{number}" for number in (1, 2, 3)}
    return Book("store", site, "10.8.0.1", switches, SERVICES, HOME, PACE)


@dataclass
class Machine:
    """A host in memory: which addresses are on lo, which witnesses answer, what it was told to do, its clock."""

    root: Path
    running: set[str] = field(default_factory=set)
    pinged: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    time: float = 1000.0
    blind: bool = False

    def guard(self) -> Guard:
        place = Place.under(self.root)
        place.orders.mkdir(parents=True, exist_ok=True)
        return Guard(
            book(), place, FakeShell((self._answer,)), self._no_cluster, lambda: self.time, ThreadPoolExecutor(1)
        )

    def order(self, guard: Guard, order: Order, life: str, controller: str = "warden") -> None:
        (guard.place.orders / f"{controller}.json").write_text(dump_order(order, life), encoding="utf-8")

    def _no_cluster(self) -> Cluster:
        raise AssertionError("none of these services has a database")

    def _answer(self, argv: Sequence[str]) -> Result:
        if argv[0] == "ping":
            return Result(0 if argv[-1] in self.pinged else 1, "", "")
        if argv[0] == "ip" and self.blind:
            return Result(1, "", "Cannot open netlink socket")
        if argv[0] == "ip":
            here = [{"local": SERVICES[name].address} for name in sorted(self.running)]
            return Result(0, json.dumps([{"addr_info": here}]), "")
        name, verb = Path(argv[-2]).name, argv[-1]
        self.done.append(f"{verb} {name}")
        if name in self.refuses:
            return Result(1, "", f"{name} does not want to")
        (self.running.add if verb == "start" else self.running.discard)(name)
        return Result(0, "", "")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def settle(guard: Guard, standing: Standing) -> Standing:
    """Look, let what was begun end, and look again."""
    standing = guard.look(standing)
    for running in list(guard.starting.values()):
        running.exception(timeout=10)
    return guard.look(standing)


def confirmed(
    machine: Machine, guard: Guard, standing: Standing, epoch: int = 0, active: dict[str, str] = HOME
) -> Standing:
    machine.order(guard, Order(epoch, active, machine.time), standing.life)
    return settle(guard, standing)


def test_what_is_to_be_done() -> None:
    standing = replace(Standing.fresh(Record(0, HOME), 0), running=("a", "d"), shut=("b", "d"), resume=("b", "e"))
    assert work("abcde", "be", standing) == Work(shut=frozenset("acd"), open=frozenset("b"), start=frozenset("be"))


def test_a_host_that_boots_serves_nothing_until_a_controller_confirms(machine: Machine) -> None:
    guard = machine.guard()
    Record(0, HOME, {"portal": 0}).save(guard.place.record)
    standing = guard.look(guard.begin())
    assert standing.may == ()
    assert standing.shut == ("mail", "portal")
    assert standing.acked == 0
    standing = confirmed(machine, guard, standing)
    assert standing.may == ("mail", "portal")
    # What was served in this epoch before goes on; what was not is nobody's business but a recovery's.
    assert machine.running == {"portal"}


def test_the_first_look_stops_what_somebody_has_started(machine: Machine) -> None:
    machine.running = {"mail"}
    guard = machine.guard()
    guard.look(guard.begin())
    assert machine.running == set()


def test_a_confirmation_for_another_run_of_the_host_confirms_nothing(machine: Machine) -> None:
    guard = machine.guard()
    standing = guard.begin()
    machine.order(guard, Order(0, HOME, machine.time), "of-before-the-reboot")
    assert guard.look(standing).may == ()


def test_a_confirmation_that_was_long_under_way_confirms_nothing(machine: Machine) -> None:
    guard = machine.guard()
    standing = guard.begin()
    machine.order(guard, Order(0, HOME, machine.time - PACE.lease), standing.life)
    assert guard.look(standing).may == ()


def test_without_controllers_a_majority_of_the_witnesses_is_enough(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.pinged = {"10.9.0.1", "10.9.0.3"}
    for _ in range(20):
        machine.time += PACE.every
        standing = guard.look(standing)
    assert standing.may == ("mail", "portal")


def test_alone_it_shuts_when_the_lease_ends_and_stays_shut_when_witnesses_come_back(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.running, machine.pinged = {"portal"}, {"10.9.0.1"}
    standing = guard.look(standing)
    machine.time += PACE.lease - 0.1
    standing = guard.look(standing)
    assert machine.running == {"portal"}
    machine.time += 0.1
    standing = guard.look(standing)
    assert (standing.may, machine.running) == ((), set())
    machine.pinged = {"10.9.0.1", "10.9.0.2", "10.9.0.3"}
    standing = guard.look(standing)
    assert standing.may == ()
    standing = confirmed(machine, guard, standing)
    assert machine.running == {"portal"}


def test_a_newer_placement_stops_what_it_takes_away_and_is_on_the_disk(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.running = {"portal", "mail"}
    machine.order(guard, Order(1, AWAY), standing.life)
    standing = guard.look(standing)
    assert machine.running == set()
    assert standing.acked == 1
    assert Record.load(guard.place.record, HOME).epoch == 1
    standing = confirmed(machine, guard, standing, 1, AWAY)
    assert standing.may == ("mail",)


def test_an_older_placement_means_nothing(machine: Machine) -> None:
    guard = machine.guard()
    Record(3, AWAY).save(guard.place.record)
    standing = confirmed(machine, guard, guard.begin(), 2, HOME)
    assert (standing.held.epoch, standing.may) == (3, ())


def test_what_cannot_be_stopped_is_told_and_not_acknowledged(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.running, machine.refuses = {"portal"}, {"portal"}
    machine.order(guard, Order(1, AWAY), standing.life)
    standing = guard.look(standing)
    assert standing.acked == 0
    assert "portal does not want to" in standing.problems[0]
    machine.refuses = set()
    assert guard.look(standing).acked == 1


def test_what_cannot_be_written_down_is_carried_out_and_not_acknowledged(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.running = {"portal"}
    # A file where the folder should be: even root cannot write below it.
    guard.place.state.parent.mkdir(parents=True, exist_ok=True)
    guard.place.state.write_text("", encoding="utf-8")
    machine.order(guard, Order(1, AWAY), standing.life)
    standing = guard.look(standing)
    assert (machine.running, standing.acked) == (set(), 0)
    assert "cannot be written" in standing.problems[0]
    guard.place.state.unlink()
    assert guard.look(standing).acked == 1
    assert Record.load(guard.place.record, HOME).epoch == 1


def test_what_cannot_be_looked_at_is_stopped(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    machine.order(guard, Order(1, AWAY, machine.time), standing.life)
    machine.running, machine.blind = {"portal"}, True
    assert guard.look(standing).may == ("mail",)
    assert machine.running == set()


def test_a_guard_that_is_started_again_goes_on_where_it_was(machine: Machine) -> None:
    guard = machine.guard()
    standing = confirmed(machine, guard, guard.begin())
    guard.place.standing.write_text(standing.dump(), encoding="utf-8")
    assert machine.guard().begin() == standing


def test_a_host_that_is_guarded_for_the_first_time_goes_on_serving(machine: Machine) -> None:
    guard = machine.guard()
    machine.running = {"portal"}
    record = Record(0, HOME)
    record.save(guard.place.record)
    guard.place.standing.write_text(Standing.taken_over(record, machine.time).dump(), encoding="utf-8")
    standing = guard.look(guard.begin())
    assert (machine.running, machine.done) == ({"portal"}, [])
    machine.time += PACE.lease
    guard.look(standing)
    assert machine.running == set()


def test_what_a_person_stopped_is_not_started_again(machine: Machine) -> None:
    guard = machine.guard()
    Record(0, HOME, {"portal": 0}).save(guard.place.record)
    standing = confirmed(machine, guard, guard.begin())
    machine.running = set()
    standing = settle(guard, standing)
    assert machine.running == set()
    assert Record.load(guard.place.record, HOME).served == {}


def test_a_record_that_cannot_be_read_serves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"epoch": ', encoding="utf-8")
    assert Record.load(path, HOME) == Record(-1, {})


def test_junk_among_the_orders_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("junk", encoding="utf-8")
    (tmp_path / "b.json").write_text(dump_order(Order(2, HOME, 5.0), "me"), encoding="utf-8")
    assert orders(tmp_path.glob("*.json"), "me") == (Order(2, HOME, 5.0),)


def test_a_standing_comes_back_as_it_was() -> None:
    standing = Standing.fresh(Record(2, AWAY), 7.5)
    assert Standing.load(standing.dump()) == standing
    with pytest.raises(ValueError, match="no standing"):
        Standing.load('{"held": {"epoch": 1, "active": {}}}')


def test_a_book_comes_back_as_it_was() -> None:
    assert Book.load(book().dump(), "-") == book()
    with pytest.raises(RecoveryError, match="cannot be read"):
        Book.load("{}", "-")


def test_the_book_of_a_host_names_witnesses_and_databases() -> None:
    network = load.network(Path(__file__).parents[1] / "districts" / "linwu")
    found = book_of(network, "store-b", PACE)
    assert (found.site, found.home) == ("cave", {one.id: one.home for one in network.district.services})
    assert len(found.witnesses) == len(witnesses(network)) == 5
    assert {network.node(switch).role for switch in found.witnesses} == {"access"}
    assert any(one.databases for one in found.services.values())


def test_a_service_that_is_new_in_the_same_epoch_is_taken_over() -> None:
    held = decide.obey(Held(1, AWAY), Order(1, {**HOME, "new": "main"}, 100.0), 100.0, PACE)
    assert held.active == {**AWAY, "new": "main"}
    assert decide.served(held, "main", 100.0, PACE) == {"mail", "new"}


def test_contact_counts_from_when_it_was_asked_for() -> None:
    held = decide.obey(Held(1, HOME), Order(1, HOME, asked=90.0), 100.0, PACE)
    assert (held.confirmed, held.heard) == (True, 90.0)
    assert decide.served(held, "main", 119.9, PACE) == {"portal", "mail"}
    assert decide.served(held, "main", 120.0, PACE) == frozenset()
