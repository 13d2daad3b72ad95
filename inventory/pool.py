"""A pool of addresses that gives out the lowest free prefix."""

from __future__ import annotations

from bisect import bisect_right, insort
from ipaddress import IPv4Network

from netdr.kernel.errors import InventoryError


class Pool:
    """Hands out prefixes of one pool, none of which overlap each other or what is kept.

    The first address of a pool is never given out as a single address: people read it as the name of the network.
    """

    def __init__(self, name: str, prefix: IPv4Network) -> None:
        self._name, self._prefix = name, prefix
        # Taken ranges as (first, last), sorted and without overlap.
        self._taken: list[tuple[int, int]] = []
        # Nothing is ever given back, so the search for a length goes on where it ended.
        self._next: dict[int, int] = {}

    def keep(self, prefix: IPv4Network) -> None:
        """Mark a prefix as taken, wherever it lies."""
        insort(self._taken, (int(prefix.network_address), int(prefix.broadcast_address)))

    def take(self, prefixlen: int, owner: str) -> IPv4Network:
        """Return the lowest free prefix of this length and mark it as taken. Raise InventoryError if there is none."""
        size = 1 << (32 - prefixlen)
        first = int(self._prefix.network_address)
        here = self._next.get(prefixlen, first + 1 if prefixlen == 32 else first)
        while here + size - 1 <= int(self._prefix.broadcast_address):
            behind = self._behind(here, here + size - 1)
            if behind is None:
                self._next[prefixlen] = here + size
                found = IPv4Network((here, prefixlen))
                self.keep(found)
                return found
            here = -(-behind // size) * size
        raise InventoryError(
            f"the pool of {self._name} is full",
            why=f"{self._prefix} has no /{prefixlen} left for '{owner}'",
            hint="make the pool larger in district.yaml",
        )

    def _behind(self, first: int, last: int) -> int | None:
        """Return the first address behind what is taken of a range, None if the range is free."""
        index = bisect_right(self._taken, (last, 1 << 32))
        if index and self._taken[index - 1][1] >= first:
            return self._taken[index - 1][1] + 1
        return None
