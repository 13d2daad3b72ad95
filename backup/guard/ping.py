"""Who of the witnesses answers from here: an echo each, all at once."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from backup.host import Shell
from netdr.kernel.errors import NetdrError

# Seconds that an answer may take; two echoes, so that one lost packet means nothing.
WAIT = 1
_ECHO = ("ping", "-n", "-q", "-c", "2", "-i", "0.3", "-W", str(WAIT))


def answering(shell: Shell, source: str, addresses: Collection[str]) -> int:
    """Return how many of the addresses answer an echo from ``source``, an address of this machine."""
    with ThreadPoolExecutor(max(1, len(addresses))) as pool:
        return sum(pool.map(lambda address: _answers(shell, source, address), addresses))


def _answers(shell: Shell, source: str, address: str) -> bool:
    try:
        # ping(8) ends with 0 when at least one answer came.
        return shell.run([*_ECHO, "-I", source, address], limit=WAIT + 5).code == 0
    except NetdrError:
        return False
