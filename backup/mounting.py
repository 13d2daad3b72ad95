"""Show folders read-only in a tree, then become another program. Run as a program, in a mount namespace of its own."""

from __future__ import annotations

import ctypes
import json
import os
import sys

# mount(2).
_RDONLY, _REMOUNT, _BIND, _REC = 0x1, 0x20, 0x1000, 0x4000
# The exit code of a program that could not be started (env(1), nohup(1)).
FAILED = 126


def main(order: str, command: list[str]) -> None:
    """Mount every ``[folder, place]`` of the JSON file ``order``, in its order, and become ``command``."""
    with open(order, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 10 ms more at each start
        mounts = json.load(file)
    for folder, place in mounts:
        _mount(folder, place, _BIND | _REC)
        _mount(folder, place, _BIND | _REMOUNT | _RDONLY)
    os.execvp(command[0], command)  # noqa: S606 - it has no shell, as wanted


def _mount(folder: str, place: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(folder), os.fsencode(place), None, ctypes.c_ulong(flags), None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), folder)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except OSError as error:
        sys.stderr.write(f"Fatal: {error.filename} cannot be shown to restic: {error.strerror}\n")
        sys.exit(FAILED)
