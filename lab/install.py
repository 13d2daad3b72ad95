"""What is on a machine's disk before netdr configures it: accounts, keys, names, daemons' first settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inventory.network import Network, Node
from lab.files import File
from lab.keys import HostKey
from lab.model import BOOT

# The system account that netdr logs in with. Debian allocates 100 to 999 to system accounts, from both ends.
UID = 900
PROGRAM = "/usr/local/sbin/netdr-device"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"

_BOOT_FOLDER = Path(__file__).parent / "boot"

_SSHD = f"""\
HostKey {HOST_KEY}
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /etc/ssh/authorized_keys/%u
Subsystem sftp internal-sftp
"""

# As Debian has it, without the machine's own kernel messages.
_SYSLOG = """\
module(load="imuxsock")
$IncludeConfig /etc/rsyslog.d/*.conf
*.* -/var/log/syslog
"""

# The arguments of sshd, where Debian's own init script has them.
SSHD_ARGUMENTS = "/etc/default/ssh"

# What every node's kernel is told. 1000 groups: a router is a member of OSPF's on every port, and the default of 20
# leaves the others without neighbours.
_SYSCTL = {
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
    "net.ipv4.igmp_max_memberships": 1000,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.all.ignore_routes_with_linkdown": 1,
    "net.ipv4.conf.default.ignore_routes_with_linkdown": 1,
    "net.ipv4.fib_multipath_hash_policy": 1,
    "net.ipv4.ping_group_range": "0 2147483647",
}
# A router answers for its own ports only, and tells of every packet it cannot deliver.
_ROUTER = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv4.icmp_ratelimit": 0,
}


# -M snmp: their tables over AgentX. -s: room for the kernel's messages, as Debian has it.
_DAEMONS = (
    'zebra_options="-A 127.0.0.1 -s 90000000 -M snmp"\n',
    'bgpd_options="-A 127.0.0.1 -M snmp"\n',
    'ospfd_options="-A 127.0.0.1 -M snmp"\n',
    'bfdd_options="-A 127.0.0.1"\n',
    'staticd_options="-A 127.0.0.1"\n',
)


@dataclass(frozen=True, slots=True)
class Login:
    """The management account: its name, the public key that opens it, and the commands ``sudo`` lets it run."""

    account: str
    public_key: str
    sudo: str


def common(hosts: str, *, router: bool) -> Mapping[str, File]:
    """Return the files that every node has: everybody's names, its kernel's settings."""
    settings = _SYSCTL | (_ROUTER if router else {})
    return {
        "/etc/hosts": File(hosts),
        "/etc/nsswitch.conf": File("passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n"),
        "/etc/resolv.conf": File("# The lab has no name server.\n"),
        "/etc/sysctl.d/netdr-lab.conf": File("".join(f"{key} = {value}\n" for key, value in settings.items())),
    }


def identity(name: str, key: HostKey | None = None) -> Mapping[str, File]:
    """Return the files that no two nodes share: the name, and what proves it if it has an SSH server."""
    files = {"/etc/hostname": File(f"{name}\n")}
    if key is not None:
        files |= {HOST_KEY: File(key.private.reveal(), 0o600), f"{HOST_KEY}.pub": File(f"{key.public}\n")}
    return files


def login(access: Login) -> Mapping[str, File]:
    """Return the files of an SSH server that lets the management account in, and nobody else."""
    rule = f"{access.account} ALL=(ALL) NOPASSWD: {access.sudo}\n"
    return {
        "/etc/ssh/sshd_config": File(_SSHD, 0o600),
        SSHD_ARGUMENTS: File("SSHD_OPTS=\n"),
        f"/etc/ssh/authorized_keys/{access.account}": File(f"{access.public_key}\n"),
        "/etc/sudoers": File("Defaults secure_path=/usr/sbin:/usr/bin:/sbin:/bin\n@includedir /etc/sudoers.d\n", 0o440),
        f"/etc/sudoers.d/{access.account}": File(rule, 0o440),
    }


def daemons() -> Mapping[str, File]:
    """Return the first settings of the daemons of a device or host, as harmless as their packages have them."""
    return {
        "/etc/chrony/chrony.conf": File("driftfile /var/lib/chrony/chrony.drift\n"),
        # The nodes share the machine's clock: chronyd may watch it, not set it.
        "/etc/default/chrony": File('DAEMON_OPTS="-x"\n'),
        "/etc/rsyslog.conf": File(_SYSLOG),
    }


def router() -> Mapping[str, File]:
    """Return what a router has besides: its routing's first settings, and the first part of its boot."""
    return {
        "/etc/frr/frr.conf": File("frr defaults traditional\n", 0o640, "frr:frr"),
        "/etc/frr/vtysh.conf": File("service integrated-vtysh-config\n", 0o640, "frr:frr"),
        "/etc/nftables.conf": File("flush ruleset\n"),
        "/etc/netdr-lab/router": File((_BOOT_FOLDER / "router.sh").read_text(encoding="utf-8")),
    }


def routing(daemons: Iterable[str]) -> Mapping[str, File]:
    """Return the file that switches routing daemons on, besides zebra and staticd, which every router has."""
    wanted = set(daemons)
    lines = [f"{daemon}={'yes' if daemon in wanted else 'no'}\n" for daemon in ("bgpd", "ospfd", "bfdd")]
    return {"/etc/frr/daemons": File("".join(["staticd=yes\n", *lines, *_DAEMONS]), 0o640, "frr:frr")}


def device(program: str) -> Mapping[str, File]:
    """Return what every device has besides: an agent, the program that keeps its configuration, and its boot."""
    return {
        **router(),
        "/etc/snmp/snmpd.conf": File("master agentx\nagentaddress 127.0.0.1\n", 0o600),
        PROGRAM: File(program, 0o755),
        BOOT: File((_BOOT_FOLDER / "device.sh").read_text(encoding="utf-8"), 0o755),
    }


def names(network: Network, users: Mapping[str, str]) -> str:
    """Return the /etc/hosts of every node: loopbacks, services and the given user hosts by name."""
    entries = [("127.0.0.1", "localhost")]
    entries += [(str(node.loopback), node.id) for node in network.nodes.values()]
    entries += [(str(address), service) for service, address in network.services.items()]
    entries += [(address, name) for name, address in users.items()]
    return "".join(f"{address}\t{name}\n" for address, name in entries)


def known_hosts(nodes: Iterable[Node], keys: Mapping[str, HostKey]) -> str:
    """Return the pinned host keys of nodes: by loopback address, hosts (servers) also by name."""
    lines = []
    for node in nodes:
        called = f"{node.loopback},{node.id}" if node.kind == "host" else str(node.loopback)
        lines.append(f"{called} {keys[node.id].public}\n")
    return "".join(lines)


def accounts(passwd: str, group: str, account: str) -> Mapping[str, File]:
    """Given a machine's passwd(5) and group(5), return those of a node: its system accounts and ``account``.

    People's accounts and everybody's passwords stay behind. What has the id of the new account gives way.
    """
    kept = [line for line in passwd.splitlines() if _system(line)]
    groups = [line for line in group.splitlines() if _system(line)]
    kept.append(f"{account}:x:{UID}:{UID}:netdr:/home/{account}:/bin/bash")
    groups.append(f"{account}:x:{UID}:")
    shadow = [f"{line.partition(':')[0]}:*:19000:0:99999:7:::" for line in kept]
    return {
        "/etc/passwd": File("".join(f"{line}\n" for line in kept)),
        "/etc/group": File("".join(f"{line}\n" for line in groups)),
        "/etc/shadow": File("".join(f"{line}\n" for line in shadow), 0o640, "root:shadow"),
    }


def _system(line: str) -> bool:
    fields = line.split(":")
    return (
        len(fields) > 2
        and fields[2].isdigit()
        and (int(fields[2]) < 1000 or fields[2] == "65534")
        and (int(fields[2]) != UID)
    )
