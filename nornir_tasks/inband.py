"""Whether a change cuts off the hand that makes it: every state on the way is looked at before anything is done. Pure.

A state is the set of devices that are armed: those run what is intended, the others what they ran before. In every
state that the change can pass through, each device that is to be confirmed must be within the controller's reach: on a
way of links that both ends keep up, and by its own loopback, sshd and filter.

What cannot be read (a device that is not in the plan, a platform without a reader) is taken to be as the network says,
and to go on only with what the other end ran before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from inventory.network import Network
from netdr.kernel.errors import Problems, RefusedError
from nornir_tasks.adjacency import Adjacencies, Cable, Sides
from nornir_tasks.drivers import linux_reach
from nornir_tasks.login import lost
from nornir_tasks.reach import Reader

READERS: Mapping[str, Reader] = {"linux": linux_reach.read, "emulated": linux_reach.read}
# How many states are tried in search of an order. Beyond that a plan is too entangled for people, too.
_TRIES = 2000

Waves = tuple[tuple[str, ...], ...]
# What each device runs and what it should run.
Texts = Mapping[str, tuple[str, str]]


def ordered(network: Network, controller: str, texts: Texts, waves: Waves) -> tuple[Waves, tuple[str, ...]]:
    """Given every device in scope and the waves of those that change, return waves in which no state cuts anything off.

    Those given, if they are such, else others; and a sentence for each device whose change takes lines down, and for
    why the waves are others. Raise Problems, a RefusedError for each device whose change is in the way, if there are
    none.
    """
    check = _check(network, controller, texts, waves)
    if check is None:
        return waves, ()
    if alone := [check.refusal([device]) for device in check.moving if check.cut([device])]:
        raise Problems(alone)
    notes = tuple(f"{device} takes down {', '.join(down)}" for device in check.moving if (down := check.down([device])))
    trouble = next((state for state in _states(waves) if check.cut(state)), None)
    if trouble is None:
        return waves, notes
    order = check.order([device for wave in waves for device in wave])
    if order is None:
        raise Problems([check.refusal(trouble)])
    rest = (tuple(device for device in wave if device not in order) for wave in waves)
    why = f"not simply far to near: {check.refusal(trouble)}"
    return (*filter(None, rest), *((device,) for device in order)), (why, *notes)


def demand(network: Network, controller: str, texts: Texts, waves: Waves) -> None:
    """Raise Problems if there is a state in these very waves that cuts anything off.

    For waves that were made for more devices, or for another controller.
    """
    check = _check(network, controller, texts, waves)
    states = [[device] for device in check.moving] + list(_states(waves)) if check else []
    if check and (trouble := next((state for state in states if check.cut(state)), None)):
        raise Problems([check.refusal(trouble)])


def _check(network: Network, controller: str, texts: Texts, waves: Waves) -> _Check | None:
    """Return what looks at the states of a change, None if nothing that counts for reaching a device changes."""
    changed = [device for wave in waves for device in wave]
    sides = _sides(network, texts, changed)
    if all(side.running == side.intended for side in sides.values()):
        return None
    others = _sides(network, texts, texts.keys() - set(changed))
    return _Check(network, controller, {**sides, **others}, changed, tuple(texts))


def _sides(network: Network, texts: Texts, devices: Iterable[str]) -> Mapping[str, Sides]:
    """Return what can be read of devices' texts."""
    found = {}
    for device in devices:
        reader = READERS.get(network.node(device).platform, lambda _: None)
        old, new = texts[device]
        running = reader(old)
        intended = running if old == new else reader(new)
        if running is not None and intended is not None:
            found[device] = Sides(running, intended)
    return found


def _states(waves: Waves) -> Iterator[list[str]]:
    """Yield the states of a plan: what is armed, the last one last. Within a wave any device may be the first."""
    armed: list[str] = []
    for wave in waves:
        yield from ([*armed, device] for device in wave)
        for device in wave:
            armed.append(device)
            yield list(armed)


class _Check:
    """The states of one change. ``moving`` are the devices whose arming makes a difference to anybody's reach."""

    def __init__(
        self,
        network: Network,
        controller: str,
        sides: Mapping[str, Sides],
        changed: Collection[str],
        scope: Collection[str],
    ) -> None:
        self._network, self._controller, self._sides = network, controller, sides
        self._changed, self._scope = frozenset(changed), frozenset(scope)
        self._lines = Adjacencies(network, controller, sides)
        self._lost = {
            device: lost(network, device, controller, sides[device].running, sides[device].intended)
            for device in changed
            if device in sides
        }
        self.moving = [device for device in changed if self._lost.get(device) or self._lines.depends(device)]
        self._whole = self._lines.reached(())
        self._cut: dict[frozenset[str], frozenset[str]] = {}

    def cut(self, armed: Collection[str]) -> frozenset[str]:
        """Return the devices out of reach in a state, of those that must be in it.

        That is those that change, until they are confirmed; in the end all in scope, because they are verified. What
        seems to be out of reach before anything is done is not judged.
        """
        state = frozenset(armed) & frozenset(self.moving)
        if state not in self._cut:
            reached = self._lines.reached(state) - {device for device in state if self._lost.get(device)}
            due = self._scope if state == frozenset(self.moving) else self._changed
            self._cut[state] = (due & self._whole) - reached
        return self._cut[state]

    def order(self, changed: Iterable[str]) -> tuple[str, ...] | None:
        """Return an order of what is moving in which no state cuts anything off, None if none is found."""
        waiting: list[tuple[str, ...]] = [()]
        seen: set[frozenset[str]] = set()
        while waiting and len(seen) < _TRIES:
            done = waiting.pop()
            if len(done) == len(self.moving):
                return done
            onward = [(*done, device) for device in changed if device in self.moving and device not in done]
            for order in reversed(onward):
                if frozenset(order) not in seen and not self.cut(order):
                    seen.add(frozenset(order))
                    waiting.append(order)
        return None

    def refusal(self, armed: Sequence[str]) -> RefusedError:
        """Return what is wrong with a state: whose change takes which links, and who is then out of reach."""
        device, others = armed[-1], [one for one in armed[:-1] if one in self.moving]
        down = self.down(armed)
        words = [*self._lost.get(device, ()), f"it takes down {', '.join(down)}" if down else ""]
        words.append(f"with {', '.join(others)} armed before it" if others else "")
        words.append(f"out of reach before they are confirmed: {', '.join(sorted(self.cut(armed)))}")
        what = f"its change would cut {self._controller} off"
        return RefusedError(what, where=device, why="; ".join(filter(None, words)), hint=self._hint(device))

    def down(self, armed: Collection[str]) -> list[str]:
        """Return the links that work before the change and do not in a state."""
        return sorted({cable.name for cable in self._lines.cables if self._falls(cable, armed)})

    def _falls(self, cable: Cable, armed: Collection[str]) -> bool:
        return self._lines.up(cable, ()) and not self._lines.up(cable, armed)

    def _hint(self, device: str) -> str:
        if self._lost.get(device):
            return "split the change: first let the new way in beside the old one, then take the old one away"
        hint = "split the change: one line of a device in each step, both its ends, and a new line before an old one"
        able = [host.id for host in self._network.hosts("controller") if self._passes(host.id)]
        return f"{hint}; or carry it out on {' or '.join(able)}" if able else hint

    def _passes(self, controller: str) -> bool:
        """Return whether another controller could carry the whole change out, device by device."""
        if controller == self._controller:
            return False
        other = _Check(self._network, controller, self._sides, self._changed, self._scope)
        return not any(other.cut([device]) for device in other.moving) and other.order(other.moving) is not None
