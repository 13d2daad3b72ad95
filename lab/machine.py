"""Whether this machine can run a lab: root, programs, the kernel's features. All that lacks at once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from netdr.kernel.errors import LabError, MissingError

_PACKAGES = Path(__file__).parent / "packages.txt"
_LINE = re.compile(r"(?P<package>[a-z0-9][a-z0-9.+-]*)\s+# (?P<program>\S+): ")
# What is tried, in throw-away namespaces, and the kernel feature that is missing if it fails.
_FEATURES = {
    "ip link set lo up": "network namespaces",
    "ip link add t0 type veth peer name t1": "veth (CONFIG_VETH)",
    "ip link add t2 type bridge": "bridge (CONFIG_BRIDGE)",
    "nft add table inet t": "nftables (CONFIG_NF_TABLES_INET)",
    "ip link set t0 up && ip link set t1 up && ip route add 192.0.2.0/24 nexthop dev t0 nexthop dev t1": (
        "multipath routes (CONFIG_IP_ROUTE_MULTIPATH)"
    ),
    "mount -t tmpfs tmpfs /mnt": "mounting inside a namespace",
    "mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w t /mnt/r": (
        "overlayfs above / (CONFIG_OVERLAY_FS; it goes two deep, so not in a lab that is in a container)"
    ),
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program the lab runs (a name on PATH, or a path that may hold ``*``) and the Debian package that has it."""

    name: str
    package: str

    def present(self) -> bool:
        """Return whether it is there."""
        if self.name.startswith("/"):
            return any(Path("/").glob(self.name.lstrip("/")))
        return shutil.which(self.name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def programs(text: str) -> tuple[Program, ...]:
    """Given the text of packages.txt, return the program each package is needed for."""
    found = (_LINE.match(line) for line in text.splitlines())
    return tuple(Program(line["program"], line["package"]) for line in found if line)


def check() -> None:
    """Raise MissingError naming everything this machine lacks, with the command that installs it."""
    if os.geteuid() != 0:
        raise MissingError("the lab needs root", why="it makes namespaces and mounts", hint="sudo ./run lab up")
    missing = [item for item in programs(_PACKAGES.read_text(encoding="utf-8")) if not item.present()]
    lacking = [f"{item.name} (package {item.package})" for item in missing]
    if not missing:
        lacking += [f"the kernel's {feature}" for feature in _lacking_features()]
    if lacking:
        packages = " ".join(sorted({item.package for item in missing}))
        hint = f"apt-get install {packages}" if packages else "another kernel, or a container with more privileges"
        raise MissingError("this machine cannot run the lab", why=f"it lacks {', '.join(lacking)}", hint=hint)


def _lacking_features() -> Iterator[str]:
    script = "".join(f"( {command} ) >/dev/null 2>&1 || echo {number}\n" for number, command in enumerate(_FEATURES))
    try:
        done = run(["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "sh", "-c", script], limit_s=20)
    except LabError as error:
        yield f"namespaces ({error.why})"
        return
    names = tuple(_FEATURES.values())
    for line in done.stdout.split():
        yield names[int(line)]
