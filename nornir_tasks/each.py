"""What is done to devices, as values that can be sent to where the connections are.

An action is called with a device and its session. It is made of a function of a module and plain arguments, never of a
closure, so that a runner may carry it to another process or machine; ``narrowed`` leaves the other devices' arguments
behind, which hold secrets and weigh most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from nornir_tasks.session import Claim, DeviceSession

T_co = TypeVar("T_co", covariant=True)


class Action(Protocol[T_co]):
    """What is done to one device."""

    def __call__(self, device: str, session: DeviceSession) -> T_co:
        """Do it and return what came of it. Any exception is the device's failure."""

    def narrowed(self, device: str) -> Action[T_co]:
        """Return the same without what only other devices need."""


@dataclass(frozen=True, slots=True)
class Each(Generic[T_co]):
    """``do(device, session, *common, *own[device])``; a device without arguments of its own gets the common ones."""

    do: Callable[..., T_co]
    common: tuple[Any, ...] = field(default=(), repr=False)
    own: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, repr=False)

    def __call__(self, device: str, session: DeviceSession) -> T_co:
        """See Action."""
        return self.do(device, session, *self.common, *self.own.get(device, ()))

    def narrowed(self, device: str) -> Action[T_co]:
        """See Action."""
        return replace(self, own={device: self.own[device]} if device in self.own else {})


@dataclass(frozen=True, slots=True)
class Held(Generic[T_co]):
    """An action of a change that holds its devices: a connection that was made anew claims its device anew."""

    claim: Claim
    action: Action[T_co]

    def __call__(self, device: str, session: DeviceSession) -> T_co:
        """See Action. Raise BusyError if a later change has claimed the device: this one is to give up."""
        session.claim(self.claim, take_over=True)
        return self.action(device, session)

    def narrowed(self, device: str) -> Action[T_co]:
        """See Action."""
        return replace(self, action=self.action.narrowed(device))
