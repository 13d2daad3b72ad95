"""One device during one change: the few verbs the engine needs of it, and NAPALM in that form."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from napalm.base.base import NetworkDriver

from netdr.kernel.errors import RefusedError
from nornir_tasks.drivers.linux_ospf import ospf_neighbours


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Who a device talks to: router ids of OSPF neighbours in state Full, addresses of established BGP peers."""

    ospf: frozenset[IPv4Address] = frozenset()
    bgp: frozenset[IPv4Address] = frozenset()


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

    def pending(self) -> bool:
        """Return whether a commit awaits its confirmation."""

    def confirm(self) -> None:
        """Make the commit final. Raise RefusedError if none is pending: then the device has reverted."""

    def abandon(self) -> None:
        """Undo a commit that awaits its confirmation and forget the candidate; nothing to do is no failure."""

    def neighbours(self) -> Neighbours:
        """Return the routing neighbours."""

    def close(self) -> None:
        """Close the connection. What is pending on the device stays pending."""


@dataclass
class NapalmSession:
    """A DeviceSession over a NAPALM driver that is already open."""

    driver: NetworkDriver

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

    def pending(self) -> bool:
        """See DeviceSession."""
        return bool(self.driver.has_pending_commit())

    def confirm(self) -> None:
        """See DeviceSession. Some drivers take a confirmation of nothing for a success, so ask first."""
        if not self.driver.has_pending_commit():
            raise RefusedError("no commit is pending any more", why="the device has reverted by itself")
        self.driver.confirm_commit()

    def abandon(self) -> None:
        """See DeviceSession."""
        if self.driver.has_pending_commit():
            self.driver.rollback()
        else:
            self.driver.discard_config()

    def neighbours(self) -> Neighbours:
        """See DeviceSession. NAPALM has no getter for OSPF, so that one knows the platform."""
        ospf = {neighbour.router_id for neighbour in ospf_neighbours(self.driver) if neighbour.full}
        vrfs = self.driver.get_bgp_neighbors().values()
        bgp = {IPv4Address(peer) for vrf in vrfs for peer, state in vrf["peers"].items() if state["is_up"]}
        return Neighbours(frozenset(ospf), frozenset(bgp))

    def close(self) -> None:
        """See DeviceSession."""
        self.driver.close()
