"""Serve a fleet: ``python -m lab.fleet SPEC TOKEN``, until standard input ends."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from pathlib import Path

from lab.fleet.server import serve
from lab.fleet.spec import parse

# Files that the process needs besides two sockets per device.
_OTHERS = 64


def main(spec_file: str, token_file: str) -> None:
    """Serve the fleet of a file to whoever holds the token of another, at the port that stands behind the token."""
    spec, token = parse(Path(spec_file).read_text(encoding="utf-8")), Path(token_file)
    if token.stat().st_mode & 0o077 or token.stat().st_uid != os.geteuid():
        sys.exit(f"{token_file}: others can read it; chmod 600")
    needed = 2 * len(spec.devices) + _OTHERS
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < needed:
        sys.exit(f"{len(spec.devices)} devices need {needed} open files and this machine allows {most}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
    secret, port = token.read_text(encoding="ascii").split()
    asyncio.run(serve(spec, secret.encode(), int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
