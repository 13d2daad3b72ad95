"""Enter a named network namespace from one thread, so that sockets opened there belong to it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from netdr.kernel.errors import LabError

FOLDER = Path("/run/netns")
# linux/sched.h
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def enter(name: str) -> None:
    """Move the calling thread into the network namespace ``name``, as ``ip netns`` knows it; needs root.

    Only this thread moves (setns(2)), and it stays there: call it in a thread or a forked process made for the purpose.
    Raise LabError if there is no such namespace or it cannot be entered.
    """
    try:
        handle = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(
            f"cannot open the network namespace {name}", why=error.strerror or "", hint="netdr lab up"
        ) from None
    try:
        if _libc.setns(handle, CLONE_NEWNET) != 0:
            why = os.strerror(ctypes.get_errno())
            raise LabError(f"cannot enter the network namespace {name}", why=why, hint="run as root")
    finally:
        os.close(handle)
