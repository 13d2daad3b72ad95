"""Nodes' disks: a folder that is a node's own, above what all nodes of its kind have, above the machine's own root.

The node sees the three as one (overlayfs) and writes to the first, which is on disk and outlives a loss of power. What
a kind has is in memory: it does not change, and hundreds of nodes would pay for making and removing it.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import install
from lab.commands import run
from lab.files import File
from lab.model import LabPlan
from lab.state import base, bases, disk, disks, nodes, root, run_folder

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


def prepare(plan: LabPlan, account: str) -> None:
    """Make the disks of all nodes of a plan; ``account`` is the management account."""
    lab = plan.topology.lab
    machine = _Accounts(account)
    # Nobody but root looks in: a twin's configurations hold the district's own secrets.
    disks(lab).mkdir(mode=0o700, parents=True)
    for folder in (bases(lab), nodes(lab), root(lab)):
        folder.mkdir()
    _mount_memory(bases(lab))
    if not _can_be_upper(lab):
        _mount_memory(nodes(lab))
    for kind, files in plan.bases.items():
        _prepare_base(_Layer(base(lab, kind), machine), {**machine.files, **files}, plan.shares, account)
    for node in plan.topology.nodes:
        folder = disk(lab, node.id)
        (folder / "work").mkdir(parents=True)
        layer = _Layer(folder / "upper", machine)
        for path, file in plan.disks[node.id].items():
            layer.write(path, file)
    (disks(lab) / "fstab").write_text(fstab(root(lab), plan.shares, plan.hidden), encoding="utf-8")


def _mount_memory(folder: Path) -> None:
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)])


def _can_be_upper(lab: str) -> bool:
    """Return whether the file system of the disks can be written through an overlay; a container's own often cannot."""
    upper, work = (nodes(lab) / f"probe-{part}" for part in ("upper", "work"))
    for folder in (upper, work):
        folder.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    done = run(["unshare", "--mount", "mount", "-t", "overlay", "-o", options, "probe", str(root(lab))], check=False)
    for folder in (upper, work):
        shutil.rmtree(folder)
    return done.returncode == 0


def _prepare_base(layer: _Layer, files: Mapping[str, File], shares: Iterable[str], account: str) -> None:
    for path in FRESH:
        layer.fresh(path)
    layer.home(account)
    for share in shares:
        layer.open_way(Path(share))
    for path, file in files.items():
        layer.write(path, file)


class _Accounts:
    """The accounts of every node: the machine's system accounts and the management account."""

    def __init__(self, account: str) -> None:
        passwd = Path("/etc/passwd").read_text(encoding="utf-8")
        group = Path("/etc/group").read_text(encoding="utf-8")
        self.files = install.accounts(passwd, group, account)
        self.users = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()} | {account: install.UID}
        self.groups = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()} | {account: install.UID}


class _Layer:
    """A layer being made: its folders have the owner and mode they have on the machine."""

    def __init__(self, folder: Path, accounts: _Accounts) -> None:
        self._folder, self._accounts = folder, accounts
        folder.mkdir(parents=True)
        folder.chmod(0o755)

    def fresh(self, path: str) -> None:
        """Make a folder in which nothing of the layers below shows (overlayfs: opaque)."""
        os.setxattr(self._make(Path(path)), "trusted.overlay.opaque", b"y")

    def home(self, account: str) -> None:
        """Make the management account's home."""
        home = self._make(Path("/home") / account)
        os.chown(home, install.UID, install.UID)
        home.chmod(0o700)

    def open_way(self, share: Path) -> None:
        """Make the place of a share; let every account through a folder on the way that is otherwise empty (/root)."""
        self._make(share)
        for parent in share.parents:
            if str(parent) in FRESH:
                self._make(parent).chmod(0o755)

    def write(self, path: str, file: File) -> None:
        """Write a file with its mode and owner."""
        target = self._make(Path(path).parent) / Path(path).name
        user, _, group = file.owner.partition(":")
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(file.content)
            os.fchown(handle, self._accounts.users[user], self._accounts.groups[group])
            os.fchmod(handle, file.mode)

    def _make(self, path: Path) -> Path:
        """Return the layer's folder ``path``, made with its parents as the machine has them."""
        own = self._folder / path.relative_to("/")
        if own.is_dir():
            return own
        self._make(path.parent)
        own.mkdir(mode=0o755)
        if path.is_dir():
            status = path.stat()
            os.chown(own, status.st_uid, status.st_gid)
            own.chmod(status.st_mode & 0o7777)
        return own


def fstab(at: Path, shares: Iterable[str], hidden: Iterable[str]) -> str:
    """Return a table of what is mounted inside a node's root, which is at ``at``; the format is mount's own."""
    rows = [("proc", "proc", "proc", "nosuid,nodev,noexec"), ("sysfs", "sys", "sysfs", "nosuid,nodev,noexec")]
    rows += [("tmpfs", name, "tmpfs", options) for name, options in _MEMORY.items()]
    rows += [(share, share[1:], "none", "bind,ro,X-mount.mkdir") for share in shares]
    rows += [("tmpfs", path[1:], "tmpfs", "ro,mode=000,size=4k,X-mount.mkdir") for path in hidden]
    return "".join(f"{_escape(source)} {_escape(str(at / to))} {kind} {how} 0 0\n" for source, to, kind, how in rows)


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
