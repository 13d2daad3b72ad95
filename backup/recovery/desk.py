"""Where recoveries are worked at: runs are begun, resumed, taken back and committed, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backup.recovery import lint, runs, scenario
from backup.recovery.deeds import bound
from backup.recovery.plan import Plan
from backup.recovery.run import Done, Journal, Record, carry_out
from backup.recovery.runs import Past, Run
from backup.recovery.scenario import Scenario
from backup.recovery.scene import Scene
from backup.recovery.state import State, Verb, demand, reversible
from backup.recovery.state import state as state_of
from backup.recovery.undo import way_back
from backup.recovery.wish import Wish, asked
from backup.recovery.world import World
from backup.remote import chosen
from inventory.placement import Placement
from netdr.kernel.errors import NetdrError, Problems, RecoveryError, StoppedError


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried out of a plan: that of the run, or its way back. ``done`` has earlier tries' steps, too."""

    run: Run
    plan: Plan
    done: tuple[Done, ...]

    @property
    def name(self) -> str:
        """What its report is called."""
        return self.run.id if self.plan is self.run.plan else f"{self.run.id}-undo"


@dataclass(frozen=True)
class Desk:
    """Who works here holds the lock (``alone``).

    ``placement`` reads the recorded one. ``tell`` is told of each step that ended, ``report`` of a plan carried out as
    far as it went, well or not; ``stop`` ends what is under way after Ctrl-C.
    """

    world: World
    scenarios: Mapping[str, Scenario]
    placement: Callable[[], Placement]
    journal: Journal
    tell: Callable[[Done], None]
    report: Callable[[Carried], None]
    stop: Callable[[], object] = lambda: None
    wait: Callable[[float], object] = time.sleep

    @property
    def past(self) -> tuple[Past, ...]:
        """All runs of this controller."""
        return runs.past(self.journal)

    @property
    def state(self) -> State:
        """The state they led to."""
        return state_of(self.past, self.placement(), self.world.network.district)

    def verb(self, name: str) -> Verb:
        """Return as which verb a scenario counts, by what it moves."""
        verbs: Mapping[str, Verb] = {"away": "failover", "home": "failback", "nowhere": "run"}
        return verbs[scenario.named(self.scenarios, name).written.moves]

    def begin(self, wish: Wish) -> Carried:
        """Carry out a scenario from its beginning. Raise RecoveryError if the state does not allow it."""
        found = scenario.named(self.scenarios, wish.scenario)
        if mistakes := lint.lint(found, self.world.network.district).mistakes:
            raise Problems(mistakes)
        demand(self.verb(wish.scenario), self.state)
        run = asked(self.world.network, found, wish, self.placement())
        for old in self.past:
            if old.open and old.run.moves != "nowhere" and run.moves != "nowhere":
                self.journal.note(old.run.id, "abandoned", {"for": run.id})
        self.journal.note(run.id, "begun", run.as_dict())
        return self._go(run)

    def resume(self, name: str = "") -> Carried:
        """Go on with an open run where it stopped, or with its way back. Raise RecoveryError if there is none."""
        one = runs.one_open(self.past, name)
        return self._go_back(one.run) if one.fate == "undoing" else self._go(one.run)

    def undo(self) -> Carried:
        """Take back a failover that is under way or that nobody has committed. Raise RecoveryError if there is none."""
        demand("undo", self.state)
        under_way = [one for one in self.past if one.open and one.touched and one.run.moves == "away"]
        one = under_way[0] if under_way else reversible(self.past, self.placement())
        if one is None:
            raise RecoveryError("there is nothing to take back", hint="netdr dr status")
        self.journal.note(one.run.id, "undoing", {})
        return self._go_back(one.run)

    def commit(self) -> Run:
        """End the time in which a failover can be taken back; return it. Raise RecoveryError if there is none."""
        demand("commit", self.state)
        one = reversible(self.past, self.placement())
        if one is None:
            raise RecoveryError("there is nothing to commit", hint="netdr dr status")
        self.journal.note(one.run.id, "committed", {})
        return one.run

    # ---- carrying out ------------------------------------------------------------------------------------------

    def _go(self, run: Run) -> Carried:
        try:
            carried = self._carry(run, run.plan, run.after.epoch)
        except NetdrError:
            touched = next(one.touched for one in self.past if one.run.id == run.id)
            self.journal.note(run.id, "failed" if touched or run.moves == "nowhere" else "abandoned", {})
            raise
        self.journal.note(run.id, "ended", {})
        return carried

    def _go_back(self, run: Run) -> Carried:
        begun = {row.step for row in self.journal.history(run.id) if row.state == "begun"}
        carried = self._carry(run, way_back(run.plan, begun), run.after.epoch + 1)
        self.journal.note(run.id, "undone", {})
        return carried

    def _carry(self, run: Run, plan: Plan, newest: int) -> Carried:
        """Carry out what is left of a plan. ``newest``: the highest epoch it may find."""
        epoch = self.placement().epoch
        if run.moves != "nowhere" and epoch > newest:
            what = f"epoch {epoch} was decided since this run began at epoch {run.now.epoch}"
            raise RecoveryError(what, where=run.id, hint="netdr dr status says where the services are")
        earlier = runs.done(plan, self.journal.history(run.id))
        told = list(earlier)

        def tell(done: Done) -> None:
            told.append(done)
            self.tell(done)

        record = Record(self.journal, run.id, tell, self.wait, self.stop)
        try:
            carry_out(plan, bound(plan, self._scene(run, earlier)), record, earlier=earlier)
        except KeyboardInterrupt:
            hint = "netdr dr resume goes on; netdr dr undo takes a failover back"
            raise StoppedError("stopped; what was done is in the journal", where=run.id, hint=hint) from None
        finally:
            self.report(Carried(run, plan, tuple(told)))
        return Carried(run, plan, tuple(told))

    def _scene(self, run: Run, earlier: Sequence[Done]) -> Scene:
        services = chosen(self.world.network.district.services, run.services, "service")
        found = {one.step.id: one.facts for one in earlier}
        return Scene(self.world, services, run.now, run.after, run.subject, run.moment, found)
