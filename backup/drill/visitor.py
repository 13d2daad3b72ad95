"""The users of a drill: each tries from its unit's network namespace. Run as a program, inside the bubble.

Standard input is a JSON list of visits: ``space`` (the namespace's file), ``address``, ``port``, ``seconds`` (how long
to wait), ``path`` (empty: only connect), ``body`` (empty: GET, else POST this JSON). Standard output is a list in the
same order: ``connected``, ``status`` (0 without an answer), ``why``.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 32
# linux/sched.h
_NETWORK = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def visit(wanted: Mapping[str, object]) -> dict[str, object]:
    """Make one visit from this thread, which is in the namespace of the unit from then on."""
    _enter(str(wanted["space"]))
    address, port, seconds = str(wanted["address"]), int(str(wanted["port"])), float(str(wanted["seconds"]))
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.connect()
    except OSError as error:
        return {"connected": False, "status": 0, "why": str(error)}
    try:
        return {"connected": True, "status": _ask(connection, wanted), "why": ""}
    except (OSError, http.client.HTTPException) as error:
        return {"connected": True, "status": 0, "why": str(error) or type(error).__name__}
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, wanted: Mapping[str, object]) -> int:
    path, body = str(wanted["path"]), str(wanted["body"])
    if not path:
        return 0
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body or None, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _enter(space: str) -> None:
    """Move this thread, and no other, into a network namespace (setns(2)). Raise OSError if the kernel refuses."""
    handle = os.open(space, os.O_RDONLY)
    try:
        if _libc.setns(handle, _NETWORK) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), space)
    finally:
        os.close(handle)


def main() -> None:
    """Make all visits, many at once, and print how they went."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        json.dump(list(pool.map(visit, json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
