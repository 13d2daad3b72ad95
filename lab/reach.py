"""Wait until every address accepts TCP connections: ``reach.py PORT SECONDS ADDRESS…``, run inside a node.

Prints the addresses that did not within the time, one a line; exit status 0 if there are none. Standard library only.
"""

from __future__ import annotations

import socket
import sys
import time

# One try that gets no answer; the next may find the route that this one had not.
_TRY_S = 0.5


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=_TRY_S).close()
    except OSError:
        return False
    return True


def unreached(port: int, seconds: float, addresses: list[str]) -> list[str]:
    """Return the addresses that did not accept a connection to ``port`` within ``seconds``."""
    limit = time.monotonic() + seconds
    left = addresses
    while left := [address for address in left if not _accepts(address, port)]:
        if time.monotonic() > limit:
            break
        time.sleep(0.1)
    return left


if __name__ == "__main__":
    late = unreached(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
    sys.stdout.write("".join(f"{address}\n" for address in late))
    sys.exit(1 if late else 0)
