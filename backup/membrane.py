"""What a bubble lets through of the host's file system. Run as a program, as the first process of new namespaces.

Everything is there to be read and nothing to be changed, except in the folders where the restored data lies. That
data is seen where the live data would be; ``/run``, ``/tmp``, ``/var/log`` and shared memory are empty and private, so
that no unix socket leads out. It needs Linux 5.12 (mount_setattr(2)) and root.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

_MODES = {"755": ("/run", "/var/log"), "1777": ("/tmp", "/dev/shm")}  # noqa: S108 - theirs, not ours
# Private places, with the modes that programs expect of them.
PRIVATE: Mapping[Path, str] = MappingProxyType(
    {Path(folder): mode for mode, folders in _MODES.items() for folder in folders}
)
READY = "ready"

# linux/mount.h, linux/fcntl.h; the number of the system call is the same on every architecture of Debian's.
_BIND, _RECURSIVE, _READ_ONLY = 0x1000, 0x4000, 0x1
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE = 442, -100, 0x8000

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def close(writable: Sequence[Path], places: Mapping[Path, Path], programs: Sequence[Path]) -> None:
    """Make of the process's own mount namespace that of a bubble.

    ``writable`` folders stay so; ``places`` gives, for each path that is to show restored data, the folder below one
    of them where that lies; ``programs`` are folders that are seen even if they are in a private place. Raise OSError
    if the kernel refuses.
    """
    for folder in writable:
        _mount(str(folder), folder, _BIND | _RECURSIVE)
    _attributes(Path("/"), _Attributes(set=_READ_ONLY))
    for folder in writable:
        _attributes(folder, _Attributes(clear=_READ_ONLY))
    _mount("proc", Path("/proc"), kind="proc")
    handles = {folder: os.open(folder, os.O_PATH) for folder in (*writable, *programs) if _private(folder)}
    for folder, mode in PRIVATE.items():
        if folder.is_dir():
            _mount("tmpfs", folder, kind="tmpfs", data=f"mode={mode}")
    for folder, handle in handles.items():
        folder.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{handle}", folder, _BIND | _RECURSIVE)
    for place, lies in places.items():
        _mount(str(lies), place, _BIND | _RECURSIVE)


def _private(folder: Path) -> bool:
    return any(folder.is_relative_to(place) for place in PRIVATE)


def _mount(source: str, target: Path, flags: int = 0, *, kind: str = "", data: str = "") -> None:
    words = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())
    if _libc.mount(*words) != 0:
        raise _refused(target)


def _attributes(target: Path, attributes: _Attributes) -> None:
    words = (_HERE, os.fsencode(target), _AT_RECURSIVE, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if _libc.syscall(_MOUNT_SETATTR, *words) != 0:
        raise _refused(target)


def _refused(target: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(target))


def main(argument: str) -> None:
    """Given JSON with ``close``'s arguments, close the bubble, say so and hold it open until killed."""
    wanted = json.loads(argument)
    places = {Path(place): Path(lies) for place, lies in wanted["places"].items()}
    writable, programs = ([Path(one) for one in wanted[name]] for name in ("writable", "programs"))
    close(writable, places, programs)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    # The first process inherits every orphan; one that ignores SIGCHLD need not wait for them (wait(2)).
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606 - a process to hold the namespaces, nothing to interpret


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.exit(str(error))
