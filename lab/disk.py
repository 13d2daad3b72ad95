"""A node's disk: the folder that lies above the machine's own root. The node sees both and writes to its own."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import install
from lab.commands import run
from lab.files import File
from lab.model import LabPlan
from lab.state import disk, disks, run_folder

# Folders of which a node sees nothing of the machine's: keys, people, services' data and state.
FRESH = (
    "/etc/chrony",
    "/etc/cron.d",
    "/etc/frr",
    "/etc/lldpd.d",
    "/etc/netdr",
    "/etc/network/interfaces.d",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/postgresql",
    "/etc/rsyslog.d",
    "/etc/snmp",
    "/etc/ssh",
    "/etc/sudoers.d",
    "/etc/sysctl.d",
    "/home",
    "/root",
    "/srv",
    "/var/agentx",
    "/var/backups",
    "/var/lib/chrony",
    "/var/lib/netdr",
    "/var/lib/netdr-device",
    "/var/lib/netdr-lab",
    "/var/lib/postgresql",
    "/var/lib/prometheus",
    "/var/lib/snmp",
    "/var/log",
    "/var/mail",
    "/var/spool",
    "/var/tmp",  # noqa: S108 - the node's own
    "/var/www",
)
# In-memory file systems: gone with the power.
_MEMORY = {"run": "mode=755", "tmp": "mode=1777", "dev": "mode=755"}


class Disk:
    """The disk of one node, being made: folders keep the owner and mode they have on the machine."""

    def __init__(self, lab: str, node: str) -> None:
        self.folder = disk(lab, node)
        self._upper = self.folder / "upper"
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)

    def fresh(self, path: str) -> None:
        """Make a folder in which nothing of the machine's shows (overlayfs: opaque)."""
        os.setxattr(self._make(Path(path)), "trusted.overlay.opaque", b"y")

    def home(self, account: str) -> None:
        """Make the management account's home."""
        home = self._make(Path("/home") / account)
        os.chown(home, install.UID, install.UID)
        home.chmod(0o700)

    def write(self, path: str, file: File, users: Mapping[str, int], groups: Mapping[str, int]) -> None:
        """Write a file with its mode and owner."""
        target = self._make(Path(path).parent) / Path(path).name
        user, _, group = file.owner.partition(":")
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(file.content)
            os.fchown(handle, users[user], groups[group])
            os.fchmod(handle, file.mode)

    def mounts(self, shares: Iterable[str], hidden: Iterable[str]) -> None:
        """Write the fstab(5) of everything that is mounted inside the node's root."""
        for share in shares:
            self._open_way(Path(share))
        root = self.folder / "root"
        rows = [("proc", root / "proc", "proc", "nosuid,nodev,noexec")]
        rows.append(("sysfs", root / "sys", "sysfs", "nosuid,nodev,noexec"))
        rows += [("tmpfs", root / name, "tmpfs", options) for name, options in _MEMORY.items()]
        rows += [(share, root / share[1:], "none", "bind,ro,X-mount.mkdir") for share in shares]
        rows += [("tmpfs", root / path[1:], "tmpfs", "ro,mode=000,size=4k,X-mount.mkdir") for path in hidden]
        lines = [f"{_escape(source)} {_escape(str(at))} {kind} {options} 0 0\n" for source, at, kind, options in rows]
        (self.folder / "fstab").write_text("".join(lines), encoding="utf-8")

    def _open_way(self, share: Path) -> None:
        """Let every account through to a share below a folder that is otherwise empty, such as /root."""
        for parent in share.parents:
            if str(parent) in FRESH:
                self._make(parent).chmod(0o755)

    def _make(self, path: Path) -> Path:
        """Return the folder ``path`` of the upper layer, made with its parents as the machine has them."""
        own = self._upper / path.relative_to("/")
        if own.is_dir():
            return own
        self._make(path.parent)
        own.mkdir(mode=0o755)
        if path.is_dir():
            status = path.stat()
            os.chown(own, status.st_uid, status.st_gid)
            own.chmod(status.st_mode & 0o7777)
        return own


def prepare(plan: LabPlan, account: str) -> None:
    """Make the disks of all nodes of a plan."""
    machine = Accounts(account)
    for node in plan.topology.nodes:
        made = Disk(plan.topology.lab, node.id)
        for path in FRESH:
            made.fresh(path)
        made.home(account)
        for path, file in {**machine.files, **plan.disks[node.id]}.items():
            made.write(path, file, machine.users, machine.groups)
        made.mounts(plan.shares, plan.hidden)


class Accounts:
    """The accounts of every node: the machine's system accounts and the management account."""

    def __init__(self, account: str) -> None:
        passwd = Path("/etc/passwd").read_text(encoding="utf-8")
        group = Path("/etc/group").read_text(encoding="utf-8")
        self.files = install.accounts(passwd, group, account)
        self.users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()} | {account: install.UID}
        self.groups = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()} | {account: install.UID}


def _escape(path: str) -> str:
    """Return a path as fstab(5) has it."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")


def mounts(lab: str) -> tuple[str, ...]:
    """Return the mount points of this machine that belong to a lab."""
    places = [str(disks(lab)), str(run_folder(lab))]
    found = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines())
    return tuple(point for point in found if any(point == at or point.startswith(f"{at}/") for at in places))


def detach(lab: str) -> None:
    """Unmount everything of a lab's, the innermost first."""
    for point in sorted(mounts(lab), reverse=True):
        run(["umount", "--lazy", point], check=False)
