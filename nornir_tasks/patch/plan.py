"""The commands that turn a running configuration into the intended one, safe after every single command. Pure.

Of the edits that are left the first one is taken after each of whose commands nothing is violated, so the order comes
from the model and not from a list of special cases. If none is left that is safe, the change is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from netdr.kernel.errors import RefusedError
from nornir_tasks.patch.dialect import Dialect, Path
from nornir_tasks.patch.edits import Edits
from nornir_tasks.patch.facts import Reader
from nornir_tasks.patch.invariants import Invariants, Management
from nornir_tasks.patch.lists import last_resort
from nornir_tasks.patch.model import Device, NotAcceptedError, State
from nornir_tasks.patch.steps import Edit, moved, spoken
from nornir_tasks.patch.tree import Node, parse, paths

_HINTS = {
    "management address": "keep the address of the session on an interface that is up; move it from the console",
    "management VLAN": "keep the VLAN on an uplink, or let the new uplink carry it in a change before this one",
    "management route": "keep a route to the management sources until the new one is there",
    "management filter": "permit the management sources in the new list too",
    "gateways are present": "give the new gateway before the old one is taken away, in a change of its own",
    "an applied filter is between old and new": "keep the number of a rule that stays, or apply a list of another name "
    "where the platform can swap it",
    "nothing hangs": "keep what is referred to, or remove what refers to it as well",
}
_CONSOLE = "make this part of the change at the device's console"


def commands(dialect: Dialect, running: str, intended: str, management: Management | None = None) -> tuple[str, ...]:
    """Given a device's running and intended configuration, return the commands to say in configuration mode, in order.

    After every one of them the invariants of ``invariants`` hold; after the last one the configuration is the intended
    one and the device is outside of all sections. Equal configurations need no command. Raise RefusedError, naming
    the command, the invariant and what to do instead, if no such order was found. ``management`` says how the device is
    reached; without it, only what is in both configurations is protected. Commands and the error quote lines of the
    configurations, secrets and all: show them redacted, as a diff.
    """
    trees = parse(running, dialect), parse(intended, dialect)
    device = Device(dialect, trees)
    old, new = _loaded(device, trees[0], "running"), _loaded(device, trees[1], "intended")
    _demand_readable(device, old.paths ^ new.paths, management)
    todo = Edits(device, old, new, _unnumbered(device, trees[0])).all()
    return _ordered(device, Invariants(device, old, new, management), todo, old, new)


def _loaded(device: Device, trees: tuple[Node, ...], which: str) -> State:
    try:
        return device.load(trees)
    except NotAcceptedError as problem:
        raise RefusedError(
            f"the {which} configuration contradicts itself", why=str(problem), hint="look at its packet filters"
        ) from None


def _demand_readable(device: Device, changed: Iterable[Path], management: Management | None) -> None:
    """Raise RefusedError if a line changes that no command changes, or one of an uplink that nothing is known of."""
    reader = Reader(device)
    for path in sorted(changed):
        text = "\n".join(path)
        hint = next((hint for pattern, hint in device.dialect.refused if re.fullmatch(pattern, text)), "")
        if hint:
            raise RefusedError(
                f"'{path[-1].splitlines()[0]}' cannot be changed safely", why="no command does", hint=hint
            )
        is_clear = len(path) == 1 or device.is_known(path) or bool(reader.meanings(path))
        if management and not is_clear and path[0].removeprefix("interface ") in management.uplinks:
            raise RefusedError(
                f"'{path[-1]}' cannot be changed safely",
                where=path[0],
                why="the management comes by this port, and what the line does to it is not known",
                hint=_CONSOLE,
            )


def _unnumbered(device: Device, running: tuple[Node, ...]) -> frozenset[Path]:
    """Return the lists whose rules are shown without the numbers that the device has given them."""
    found = ((path[:-1], device.rule(path[-1])) for path, _ in paths(running) if device.is_list(path[:-1]))
    return frozenset(header for header, rule in found if rule and rule[0] < 0)


def _ordered(device: Device, invariants: Invariants, todo: list[Edit], old: State, new: State) -> tuple[str, ...]:
    state, said = old, list[str]()
    all_lists = Edit((0, 0, ()), "all lists at once", last_resort(device, new))
    while todo:
        tries = (_tried(device, invariants, edit, state) for edit in (*todo, all_lists))
        done = next((found for found in tries if found), None)
        if done is None:
            raise _refused(device, invariants, todo[0], state)
        edit, more, state = done
        todo = [other for other in todo if other is not edit]
        said += more
    said += moved(device, state.section, ())
    if device.settled(state).paths != new.paths:
        left = min(device.settled(state).paths ^ new.paths)
        raise RefusedError(f"'{' / '.join(left)}' cannot be brought about by commands", hint=_CONSOLE)
    return tuple(said)


def _tried(device: Device, invariants: Invariants, edit: Edit, state: State) -> tuple[Edit, list[str], State] | None:
    """Return an edit's commands and the state after them, if there is a way in which all of them are safe."""
    for way in edit.ways(state):
        said = list(spoken(device, way, state.section))
        after = _outcome(device, invariants, state, said)
        if isinstance(after, State):
            # What an earlier command has done already is not said again.
            return (edit, said, after) if after.paths != state.paths else (edit, [], state)
    return None


def _outcome(device: Device, invariants: Invariants, state: State, said: list[str]) -> State | tuple[str, str, str]:
    """Return the state after commands, or the first one that is not safe, the invariant it breaks, and how."""
    for command in said:
        before = state.paths
        try:
            state = device.apply(state, command)
        except NotAcceptedError as problem:
            return command, "the device takes every command", str(problem)
        broken = invariants.broken(state) if state.paths != before else ()
        if broken:
            return command, broken[0].invariant, broken[0].what
    return state


def _refused(device: Device, invariants: Invariants, edit: Edit, state: State) -> RefusedError:
    found: tuple[str, str, str] = ("", "an applied filter is between old and new", "no way to change it was found")
    for way in edit.ways(state):
        outcome = _outcome(device, invariants, state, list(spoken(device, way, state.section)))
        if not isinstance(outcome, State):
            found = outcome
            break
    command, invariant, what = found
    return RefusedError(
        f"no safe order of commands: {edit.what}",
        why=f"'{command}' would break '{invariant}': {what}" if command else f"'{invariant}': {what}",
        hint=_HINTS.get(invariant, _CONSOLE),
    )
