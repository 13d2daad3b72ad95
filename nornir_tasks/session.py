"""One device during one change: the few verbs the engine needs of it, and NAPALM in that form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

from napalm.base.base import NetworkDriver
from napalm.base.exceptions import CommandErrorException

from netdr.kernel.errors import RefusedError
from nornir_tasks.drivers import linux_health
from nornir_tasks.drivers.linux_ospf import ospf_neighbours
from nornir_tasks.drivers.linux_verbs import Verbs


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Who a device talks to: router ids of OSPF neighbours in state Full, addresses of established BGP peers."""

    ospf: frozenset[IPv4Address] = frozenset()
    bgp: frozenset[IPv4Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """What a device is asked about its health: routes within ``pools``, and whether services answer ``source``.

    ``bgp``: whether it has peers.
    """

    pools: tuple[IPv4Network, ...]
    services: Mapping[str, IPv4Address]
    source: IPv4Address
    bgp: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How a device is: neighbours, prefixes it has a route to, services that answer it, errors counted by port.

    None: the device cannot say.
    """

    neighbours: Neighbours
    routes: frozenset[IPv4Network] | None = None
    services: frozenset[str] | None = None
    errors: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A change's right to touch a device: its number, and whose it is, for people."""

    token: int
    holder: str


@dataclass(frozen=True, slots=True)
class Fence:
    """The claim that a device knows. ``held``: the change has not ended. Token 0: nobody ever claimed it."""

    token: int = 0
    holder: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit that awaits its confirmation: its name, if the platform gives it one, and the seconds left, if told."""

    identity: str = ""
    left: float | None = None


class DeviceSession(Protocol):
    """A connection to one device. Every verb raises a NetdrError, or a foreign exception that ``foreign`` knows."""

    def running(self) -> str:
        """Return the running configuration."""

    def load(self, text: str) -> str:
        """Make ``text`` the candidate that would replace everything, and return the device's own diff to it."""

    def commit(self, revert_in: int, message: str) -> None:
        """Apply the candidate; after ``revert_in`` seconds (0: never) the device undoes it unless confirmed.

        The device keeps ``message`` with its own record of the commit.
        """

    def fence(self) -> Fence:
        """Return who may touch the device. A platform that keeps no claim knows of nobody."""

    def claim(self, claim: Claim, *, take_over: bool) -> None:
        """Let nobody but this change touch the device.

        Raise BusyError if a later change has claimed it, or an earlier one holds it that is not to be taken over.
        """

    def release(self, token: int) -> None:
        """End a change's claim; one that does not hold the device is no failure."""

    def pending(self) -> Pending | None:
        """Return the commit that awaits its confirmation, None if there is none."""

    def fate(self) -> str:
        """Return why the last commit is no more that was undone, in the device's words; empty if it does not say."""

    def confirm(self) -> None:
        """Make the commit final. Raise RefusedError if none is pending: then the device has reverted."""

    def abandon(self) -> None:
        """Undo a commit that awaits its confirmation and forget the candidate; nothing to do is no failure."""

    def discard(self) -> None:
        """Forget the candidate; nothing that runs or is pending is touched."""

    def neighbours(self) -> Neighbours:
        """Return the routing neighbours."""

    def health(self, question: Question) -> Health:
        """Return how the device is; takes up to a second for every service that does not answer."""

    def close(self) -> None:
        """Close the connection. What is pending on the device stays pending."""


@dataclass
class NapalmSession:
    """A DeviceSession over a NAPALM driver that is already open."""

    driver: NetworkDriver
    _claimed: int = 0

    @property
    def _verbs(self) -> Verbs | None:
        """What a driver can besides NAPALM's words, if it can."""
        found: Verbs | None = getattr(self.driver, "verbs", None)
        return found

    def running(self) -> str:
        """See DeviceSession."""
        text: str = self.driver.get_config(retrieve="running")["running"]
        return text

    def load(self, text: str) -> str:
        """See DeviceSession."""
        self.driver.load_replace_candidate(config=text)
        diff: str = self.driver.compare_config()
        return diff

    def commit(self, revert_in: int, message: str) -> None:
        """See DeviceSession."""
        self.driver.commit_config(message=message, revert_in=revert_in or None)

    def fence(self) -> Fence:
        """See DeviceSession."""
        return Fence(**self._verbs.fence()) if self._verbs else Fence()

    def claim(self, claim: Claim, *, take_over: bool) -> None:
        """See DeviceSession. What this session has claimed it need not claim again: the device checks every commit."""
        if self._claimed != claim.token and self._verbs:
            self._verbs.claim(claim.token, claim.holder, take_over=take_over)
        self._claimed = claim.token

    def release(self, token: int) -> None:
        """See DeviceSession."""
        if self._verbs:
            self._verbs.release(token)
        self._claimed = 0

    def pending(self) -> Pending | None:
        """See DeviceSession."""
        if self._verbs is None:
            return Pending() if self.driver.has_pending_commit() else None
        found = self._verbs.pending()
        return Pending(str(found["id"]), float(found["seconds_left"])) if found["pending"] else None

    def fate(self) -> str:
        """See DeviceSession."""
        found = self._verbs.pending() if self._verbs else {}
        return str(found.get("undone", {}).get("why", ""))

    def confirm(self) -> None:
        """See DeviceSession. Some drivers take a confirmation of nothing for a success, so ask first."""
        if not self.pending():
            raise RefusedError("no commit is pending any more", why=self.fate() or "the device has reverted by itself")
        self.driver.confirm_commit()

    def abandon(self) -> None:
        """See DeviceSession."""
        if self.driver.has_pending_commit():
            self.driver.rollback()
        else:
            self.driver.discard_config()

    def discard(self) -> None:
        """See DeviceSession."""
        self.driver.discard_config()

    def neighbours(self) -> Neighbours:
        """See DeviceSession. NAPALM has no getter for OSPF, so that one knows the platform."""
        ospf = {neighbour.router_id for neighbour in ospf_neighbours(self.driver) if neighbour.full}
        vrfs = self.driver.get_bgp_neighbors().values()
        bgp = {IPv4Address(peer) for vrf in vrfs for peer, state in vrf["peers"].items() if state["is_up"]}
        return Neighbours(frozenset(ospf), frozenset(bgp))

    def health(self, question: Question) -> Health:
        """See DeviceSession. Routing and counters in one request, the services in another."""
        if self._verbs is None:
            return Health(self.neighbours(), services=self._answering(question))
        seen = linux_health.reading(self._verbs, bgp=question.bgp)
        routes = seen.routes
        if routes is not None:
            routes = frozenset(prefix for prefix in routes if any(prefix.subnet_of(pool) for pool in question.pools))
        return Health(Neighbours(seen.ospf, seen.bgp), routes, self._answering(question), seen.errors)

    def _answering(self, question: Question) -> frozenset[str] | None:
        source, asked = str(question.source), {str(address): name for name, address in question.services.items()}
        try:
            if self._verbs:
                found = self._verbs.answers(list(asked), source)
            else:
                pings = {to: self.driver.ping(to, source=source, timeout=1, count=1) for to in asked}
                found = frozenset(to for to, ping in pings.items() if _answered(ping))
        except CommandErrorException:
            return None
        return frozenset(name for address, name in asked.items() if address in found)

    def close(self) -> None:
        """See DeviceSession."""
        self.driver.close()


def _answered(ping: Mapping[str, Any]) -> bool:
    return "success" in ping and ping["success"]["packet_loss"] == 0
