"""One emulated device: its text, a commit that it undoes by itself, the fence, power. No input or output, no clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from lab.fleet.text import addresses, difference


class Refused(Exception):  # noqa: N818 - an answer
    """What a device refuses: the kind, as netdr-device names them, and its words."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind, self.words = kind, words


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """A device's own clock: an asyncio event loop is one."""

    def time(self) -> float:
        """Return seconds from an arbitrary start."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Let something happen after ``delay`` seconds."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Which change of the whole network may touch the device: numbers only grow."""

    token: int = 0
    holder: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that waits for its confirmation: what ran before it and when it is undone."""

    id: str
    by: str
    message: str
    before: str = field(repr=False)
    deadline: float
    timer: Timer = field(repr=False)


class Device:
    """A device. Its methods are the verbs of netdr-device: they return its answers and raise Refused."""

    def __init__(self, text: str, clock: Clock) -> None:
        self.text, self.on = text, True
        self._clock = clock
        self._mentions = addresses(text)
        self._previous: str | None = None
        self._commit: Commit | None = None
        self._undone: dict[str, str] = {}
        self._fence = Fence()

    def mentions(self, address: str) -> bool:
        """Return whether the device has power and its configuration mentions an address."""
        return self.on and address in self._mentions

    # -- what goes wrong

    def reset(self, text: str) -> Mapping[str, Any]:
        """Be as new, with this text: nothing pending, nobody's."""
        if self._commit:
            self._commit.timer.cancel()
        self._commit, self._previous, self._undone, self._fence = None, None, {}, Fence()
        self._run(text)
        return {}

    def cut_power(self, seconds: float) -> None:
        """Take the power away for so long. What is on the disk stays; a timer that is off does not run."""
        self.on = False
        if self._commit:
            self._commit.timer.cancel()
        self._clock.call_later(seconds, self._boot)

    def _boot(self) -> None:
        self.on = True
        self.revert("the device restarted before it was confirmed")

    def revert(self, why: str) -> None:
        """Undo what waits for its confirmation; nothing to undo is no failure."""
        if self._commit:
            self._commit.timer.cancel()
            self._undone = {"id": self._commit.id, "why": why}
            self._run(self._commit.before)
            self._commit = None

    # -- the verbs

    def running(self) -> Mapping[str, Any]:
        """Return what runs and what would run after a restart."""
        return {"text": self.text, "startup": self.text}

    def check(self, text: str) -> Mapping[str, Any]:
        """Refuse a candidate that says nothing."""
        if not text.strip():
            raise Refused("candidate", "an empty configuration")
        return {}

    def diff(self, text: str) -> Mapping[str, Any]:
        """Return the device's own diff from what runs to a candidate."""
        return {"text": difference(self.text, text)}

    def commit(  # noqa: PLR0913 - the request's own arguments
        self,
        *,
        text: str,
        revert_in: float | None = None,
        identity: str = "",
        by: str = "",
        message: str = "",
        token: int = 0,
    ) -> Mapping[str, Any]:
        """Run a candidate; with ``revert_in``, until that many seconds are over or it is confirmed."""
        self._admit(token)
        if self._commit:
            raise Refused("pending", f"{self._commit.id} waits for its confirmation")
        self.check(text)
        name, before = identity or secrets.token_hex(4), self.text
        changed = text != before
        self._run(text)
        if revert_in and changed:
            deadline = self._clock.time() + revert_in
            timer = self._clock.call_later(revert_in, self._expire)
            self._commit = Commit(name, by, message, before, deadline, timer)
        elif changed:
            self._previous = before
        return {"id": name, "changed": ["text"] if changed else [], "pending": bool(self._commit)}

    def _expire(self) -> None:
        self.revert("nobody confirmed it in time")

    def pending(self) -> Mapping[str, Any]:
        """Return the commit that waits for its confirmation, or what became of the last that was undone."""
        found = self._commit
        if not found:
            return {"pending": False, "undone": self._undone}
        left = round(found.deadline - self._clock.time(), 1)
        return {"pending": True, "id": found.id, "by": found.by, "message": found.message, "seconds_left": left}

    def confirm(self, identity: str = "", token: int = 0) -> Mapping[str, Any]:
        """Keep the pending commit; with ``identity`` only if it is that one."""
        self._admit(token)
        found = self._commit
        if not found or identity not in {"", found.id}:
            raise Refused("no-pending", f"no pending commit {identity}".rstrip())
        found.timer.cancel()
        self._previous, self._commit = found.before, None
        return {"id": found.id}

    def rollback(self, token: int = 0) -> Mapping[str, Any]:
        """Undo the pending commit; without one, go back to what ran before the last."""
        self._admit(token)
        if found := self._commit:
            self.revert("it was rolled back")
            return {"id": found.id, "undone": True}
        if self._previous is None:
            raise Refused("no-previous", "nothing ran before")
        return {**self.commit(text=self._previous, token=token), "undone": False}

    def fence(self) -> Mapping[str, Any]:
        """Return who may touch the device."""
        return asdict(self._fence)

    def claim(self, token: int, holder: str, take_over: bool = False) -> Mapping[str, Any]:
        """Let nobody but one change touch the device."""
        now, wanted = self._fence, Fence(token, holder, held=True)
        if token < now.token or (token == now.token and now != wanted):
            raise Refused("fenced", f"change {now.token} of {now.holder} has come before number {token}")
        if now.held and now != wanted and not take_over:
            raise Refused("held", f"change {now.token} of {now.holder} holds this device")
        self._fence = wanted
        return asdict(now)

    def release(self, token: int) -> Mapping[str, Any]:
        """End the claim of a change, if it is the one that holds the device."""
        mine = self._fence.held and self._fence.token == token
        if mine:
            self._fence = Fence(self._fence.token, self._fence.holder, held=False)
        return {"released": mine}

    def _admit(self, token: int) -> None:
        now = self._fence
        if token == now.token * now.held:
            return
        later = bool(token) and now.token > token
        raise Refused("fenced" if token else "held", f"change {now.token} {'came later' if later else 'holds it'}")

    def _run(self, text: str) -> None:
        self.text, self._mentions = text, addresses(text)
