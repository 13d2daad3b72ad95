"""Never two active sites: the rules of ``backup.guard.decide`` tried in every order of events, and without each rule.

Two ways: exhaustively, every pair of events before or in the middle of a round, each followed by nothing or by a long
quiet, from four beginnings; and at random for longer stories, also where every path may fail by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup.guard import decide
from backup.guard.decide import NEVER, Held, Right
from backup.guard.testing import MESH, PACE, SITE_OF, WITNESSES, Event, Rules, State, World

ORDERS = (tuple(SITE_OF), tuple(reversed(SITE_OF)))
# Rounds after which nothing changes any more by itself: silence, and what follows from it.
QUIET = round(PACE.silence) + 3
MAIN_LOST: tuple[Event, ...] = (("crash", "host-main"), ("crash", "controller-main"))
BEGINNINGS: dict[str, tuple[Event, ...]] = {
    "quiet day": (),
    "main site cut off": (("cut", "main city"),),
    "failed over, main site cut off": (("cut", "main city"), ("move", "controller-dr")),
    "failed over, main site without power": (*MAIN_LOST, ("move", "controller-dr")),
}


def rest(world: World, state: State, rounds: int = QUIET) -> State:
    for _ in range(rounds):
        state = world.round(state, ORDERS[0])
    return state


def begun(world: World, *events: Event) -> State:
    """Return the state after these events, with quiet before and after each."""
    state = rest(world, world.start())
    for event in events:
        state = rest(world, world.after(state, event))
    return state


def nexts(world: World, state: State) -> Iterator[tuple[Event, State]]:
    """Yield what every event leads to: before the first look of a round or in its middle, then at once and later."""
    for event in world.events(state):
        if event[0] not in {"look", "tick"}:
            for order in ORDERS:
                for place in (0, 2):
                    found = world.round(state, order, {place: event})
                    yield event, found
                    yield event, rest(world, found)


def violation(world: World, state: State, depth: int) -> tuple[Event, ...] | None:
    """Return the shortest story of at most ``depth`` events that ends in two active sites, None if there is none."""
    known, front = {state.key}, [(state, ())]
    for _ in range(depth):
        reached: list[tuple[State, tuple[Event, ...]]] = []
        for before, story in front:
            for event, found in nexts(world, before):
                if found.wrong:
                    return (*story, event)
                if found.key not in known:
                    known.add(found.key)
                    reached.append((found, (*story, event)))
        front = reached
    return None


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_event_makes_two_sites_active(beginning: str) -> None:
    world = World()
    assert violation(world, begun(world, *BEGINNINGS[beginning]), 1) is None


@pytest.mark.tools  # six seconds: more than a unit test may take
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_no_two_events_make_two_sites_active(beginning: str) -> None:
    world = World()
    assert violation(world, begun(world, *BEGINNINGS[beginning]), 2) is None


def without_reconfirmation() -> Rules:
    """A host that boots believes its own record: rule 1 without the confirmation."""

    def check(held: Held, now: float, reached: int) -> Held:
        fresh = replace(held, heard=now) if held.confirmed and held.heard == NEVER else held
        return decide.witnessed(fresh, now, reached, len(WITNESSES), PACE)

    return Rules(boot=lambda held: Held(held.epoch, held.active, confirmed=True), check=check)


def without_lease() -> Rules:
    """A host that was confirmed goes on for ever: rule 1 without the lease."""
    return Rules(check=lambda held, _now, _reached: held)


def without_majority() -> Rules:
    """A controller that is alone goes on confirming: rule 2 without the witnesses."""

    def right(before: Right, now: float, pace: decide.Pace, *, all_agree: bool, has_majority: bool) -> Right:
        return decide.right(before, now, pace, all_agree=all_agree, has_majority=has_majority or before.in_step)

    return Rules(right=right)


def without_hearing_the_others() -> Rules:
    """A controller that has booted believes its own record: rule 2 without the others."""

    def right(before: Right, now: float, pace: decide.Pace, *, all_agree: bool, has_majority: bool) -> Right:
        believed = replace(before, in_step=True, had=now)
        return decide.right(believed, now, pace, all_agree=all_agree, has_majority=has_majority)

    return Rules(right=right)


def without_settling() -> Rules:
    """A new epoch is confirmed at once: rule 3 left out, where the epoch is confirmed and where it is decided."""
    return Rules(unsettled=lambda *_: {}, may_promote=lambda *_: decide.Verdict((), {}))


@pytest.mark.parametrize(
    ("rules", "beginning"),
    [
        (without_reconfirmation(), (*MAIN_LOST, ("move", "controller-dr"))),
        (without_lease(), (("cut", "main city"),)),
        (without_majority(), (("cut", "main city"),)),
        (
            without_hearing_the_others(),
            (*MAIN_LOST, ("move", "controller-dr"), ("cut", "dr city"), ("boot", "controller-main")),
        ),
        (without_settling(), ()),
    ],
    ids=("reconfirmation", "lease", "majority", "hearing the others", "settling"),
)
def test_without_any_one_rule_two_sites_are_active(rules: Rules, beginning: tuple[Event, ...]) -> None:
    """The checker is worth something only if it finds what each rule is there for."""
    world = World(rules=rules)
    state = begun(world, *beginning)
    assert not state.wrong
    assert violation(world, state, 2) is not None


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_site_comes_back_to_work_when_all_is_healed(beginning: str) -> None:
    """Safe is easy for somebody who never serves: after everything has healed exactly one site does."""
    world = World()
    state = begun(world, *BEGINNINGS[beginning])
    for line in state.cut:
        state = world.after(state, ("heal", " ".join(line)))
    for node in state.dead:
        state = world.after(state, ("boot", node))
    newest = max((item.epoch, item.active) for item in state.controllers.values())
    assert rest(world, state).active == (newest[1],)


def test_a_dead_controller_stops_nothing() -> None:
    world = World()
    assert begun(world, ("crash", "controller-main")).active == ("main",)
    assert begun(world, ("crash", "controller-main"), ("crash", "controller-dr")).active == ("main",)


def test_a_dead_main_site_is_replaced_and_stays_out_when_it_returns() -> None:
    world = World()
    over = begun(world, *MAIN_LOST, ("move", "controller-dr"))
    assert over.active == ("dr",)
    for event in (("cut", "dr city"), ("boot", "controller-main"), ("boot", "host-main")):
        over = rest(world, world.after(over, event))
        assert over.active in {(), ("dr",)}
    assert rest(world, world.after(over, ("heal", "dr city"))).active == ("dr",)


def test_a_planned_move_goes_both_ways() -> None:
    world = World()
    over = begun(world, ("move", "controller-dr"))
    assert over.active == ("dr",)
    assert rest(world, world.after(over, ("move", "controller-main"))).active == ("main",)


def flapping(world: World, rounds: int) -> State:
    """Return a day on which a line is up only while the host looks and down whenever the DR site does."""
    line = "host-main main"
    state = begun(world, ("cut", line))
    state = rest(world, world.after(rest(world, world.after(state, ("heal", line))), ("cut", line)), 0)
    for _ in range(rounds):
        state = world.after(state, ("look", "controller-main"))
        state = world.after(state, ("look", "controller-dr"))
        state = world.after(state, ("heal", line))
        state = world.after(state, ("look", "host-main"))
        state = world.after(state, ("look", "host-dr"))
        state = world.after(world.after(state, ("tick", "")), ("cut", line))
    return rest(world, world.after(state, ("move", "controller-dr")), 0)


def test_what_is_assumed_of_lines_is_needed() -> None:
    """A line that comes and goes between two looks, every time, deceives: the limit that the rules state."""
    story = flapping(World(flaps=2), QUIET)
    assert story.controllers["controller-dr"].active == "dr"
    assert story.active == ("main",)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([World(), World(lines=MESH)]), st.data())
def test_long_stories_never_make_two_sites_active(world: World, data: st.DataObject) -> None:
    state = begun(world)
    for _ in range(data.draw(st.integers(3, 14), label="events")):
        order = data.draw(st.permutations(tuple(SITE_OF)), label="order")
        options = [event for event in world.events(state) if event[0] not in {"look", "tick"}]
        moves = [event for event in options if event[0] in {"move", "heal", "boot"}]
        event = data.draw(st.sampled_from(options) | st.sampled_from(moves or options), label="event")
        state = world.round(state, order, {data.draw(st.integers(0, 3), label="place"): event})
        assert not state.wrong
        for _ in range(data.draw(st.sampled_from((0, 1, 4, QUIET)), label="quiet rounds")):
            state = world.round(state, order)
            assert not state.wrong
