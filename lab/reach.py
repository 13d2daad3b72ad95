"""Wait until every address accepts TCP connections: ``reach.py PORT SECONDS ADDRESS…``, run inside a node.

Prints the addresses that did not within the time, one a line; exit status 0 if there are none. Standard library only.
"""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

# One try that gets no answer; the next may find the route that this one had not.
_TRY_S = 0.5
_PAUSE_S = 0.1


def accepts(address: str, port: int, until: float) -> bool:
    """Return whether ``address`` accepts a connection before ``until`` (``time.monotonic``)."""
    while time.monotonic() < until:
        try:
            socket.create_connection((address, port), timeout=_TRY_S).close()
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False


def unreached(port: int, seconds: float, addresses: list[str]) -> list[str]:
    """Return the addresses that did not accept a connection to ``port`` within ``seconds``."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(max_workers=len(addresses) or 1) as pool:
        found = list(pool.map(partial(accepts, port=port, until=until), addresses))
    return [address for address, reached in zip(addresses, found, strict=True) if not reached]


if __name__ == "__main__":
    late = unreached(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
    sys.stdout.write("".join(f"{address}\n" for address in late))
    sys.exit(1 if late else 0)
