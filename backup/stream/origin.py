"""The home host's side: let the DR host, and nobody else, read the cluster's log over TLS.

The cluster's administrator loses nothing: what needs a restart is asked for and not done, a certificate that others
may rely on is not replaced, and what is in order is left alone.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup import certificate, tree
from backup.postgres import Cluster, identifier, literal
from backup.repository import write_private
from backup.stream import canary
from backup.stream.link import ROLE, Offer
from backup.stream.wire import KEEP
from netdr.kernel.errors import BackupError, NetdrError, Problems
from netdr.kernel.secret import Secret

# READ_REPLICATION_SLOT and addresses in certificates came with 15 (its release notes).
OLDEST = 15
_BEGIN, _END = "# netdr: begin. Written by netdr backup init.", "# netdr: end"
# How much log may wait for a DR site that is away, as a share of the disk's free space.
_SHARE, _LEAST_MB = 4, 1024
# Debian's own certificate, which is for nobody in particular.
_SNAKEOIL = "ssl-cert-snakeoil"
# Seconds until a reloaded setting is in force.
_RELOAD = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """The cluster to be streamed and both ends' addresses. ``folder``: where its certificate is put."""

    cluster: Cluster
    site: str
    host: str
    address: str
    standby: str
    folder: Path


def own_address(towards: str) -> str:
    """Return the address of this host from which it reaches ``towards``. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])


def prepare(source: Source, verifier: Secret, now: datetime) -> Offer:
    """Make the cluster ready to be streamed to the DR host and return what that must know.

    ``verifier``: the password as ``scram.verifier`` makes it. Raise Problems with all that only its administrator
    can change; nothing has been changed then.
    """
    cluster = source.cluster
    problems = tuple(_obstacles(source))
    if problems:
        raise Problems(problems)
    pem = _certificate(source, now)
    _bound(cluster)
    _role(cluster, verifier)
    _admit(source)
    canary.prepare(cluster)
    ((system, segment, version, port),) = cluster.query(
        "SELECT system_identifier, (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'),"
        " current_setting('server_version_num')::int / 10000, current_setting('port') FROM pg_control_system()"
    )
    return Offer(source.site, source.host, source.address, int(port), system, int(version), int(segment), pem)


def admitted(text: str, standby: str) -> str:
    """Given the text of pg_hba.conf, return it with our line: the first one, because the first that fits decides."""
    lines = text.splitlines()
    if _BEGIN in lines and _END in lines:
        lines[lines.index(_BEGIN) : lines.index(_END) + 1] = []
    ours = [_BEGIN, f"hostssl replication {ROLE} {standby}/32 scram-sha-256", _END]
    return "\n".join([*ours, *lines]) + "\n"


def keep_mb(free: int) -> int:
    """Return how much log the source keeps for a DR site that is away, in MB, given the disk's free bytes."""
    return max(_LEAST_MB, free // _SHARE // 2**20)


def _obstacles(source: Source) -> Iterator[NetdrError]:
    where = f"PostgreSQL on {source.host}"
    names = ("server_version_num", "listen_addresses", "wal_level", "max_wal_senders", "ssl")
    listed = ", ".join(f"current_setting('{name}')" for name in names)
    ((version, addresses, level, senders, ssl),) = source.cluster.query(f"SELECT {listed}")
    if int(version) // 10000 < OLDEST:
        yield BackupError(f"PostgreSQL {int(version) // 10000} cannot be streamed", where=where, hint="upgrade to 15")
        return
    if not {"*", "0.0.0.0", source.address} & {one.strip() for one in addresses.split(",")}:  # noqa: S104 - compared
        yield _restart(
            where, "listen_addresses", f"it does not listen at {source.address}", f"localhost,{source.address}"
        )
    if level == "minimal":
        yield _restart(where, "wal_level", "it is minimal", "replica")
    if int(senders) < 4:
        yield _restart(where, "max_wal_senders", f"it is {senders}: a receiver and a base backup take 3", "10")
    cert = _shown(source.cluster)
    if ssl == "on" and _SNAKEOIL not in cert.name and not _is_for(source, cert):
        why = f"{cert} is not for the address {source.address}, and others may rely on it"
        yield BackupError("the certificate of the cluster cannot be pinned", where=where, why=why, hint="replace it")
    for (name,) in source.cluster.query("SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_'"):
        what = f"the tablespace '{name}' lies outside of the cluster's data directory"
        yield BackupError(what, where=where, hint="move what is in it to pg_default, or take stream: true away")


def _restart(where: str, name: str, why: str, value: str) -> BackupError:
    hint = (
        f"ALTER SYSTEM SET {name} = '{value}', restart PostgreSQL at a quiet moment, then run netdr backup init again"
    )
    return BackupError(f"{name} has to be changed, and that takes a restart", where=where, why=why, hint=hint)


def _is_for(source: Source, path: Path) -> bool:
    try:
        return source.address in certificate.addresses(path.read_text(encoding="ascii"))
    except (OSError, ValueError, LookupError):
        return False


def _certificate(source: Source, now: datetime) -> str:
    shown = _shown(source.cluster)
    if source.cluster.query("SHOW ssl") == [["on"]] and _is_for(source, shown):
        return shown.read_text(encoding="ascii")
    ours, key = source.folder / "server.crt", source.folder / "server.key"
    if not _is_for(source, ours):
        pem, private = certificate.make(source.address, now)
        tree.passable(source.folder)
        write_private(key, private.reveal())
        write_private(ours, pem, mode=0o644)
        shutil.chown(key, "postgres", "postgres")
    for name, value in (("ssl_cert_file", str(ours)), ("ssl_key_file", str(key)), ("ssl", "on")):
        source.cluster.query(f"ALTER SYSTEM SET {name} = {literal(value)}")
    _reload(source.cluster, "ssl", "on")
    return ours.read_text(encoding="ascii")


def _shown(cluster: Cluster) -> Path:
    """Return the file of the certificate that the cluster shows, or would: a relative path is below its data."""
    ((data, name),) = cluster.query("SELECT current_setting('data_directory'), current_setting('ssl_cert_file')")
    return Path(data) / name


def _bound(cluster: Cluster) -> None:
    ((keep, data),) = cluster.query(f"SELECT current_setting('{KEEP}'), current_setting('data_directory')")
    if keep == "-1":
        value = f"{keep_mb(shutil.disk_usage(data).free)}MB"
        cluster.query(f"ALTER SYSTEM SET {KEEP} = '{value}'")
        _reload(cluster, KEEP, "", not_="-1")


def _role(cluster: Cluster, verifier: Secret) -> None:
    name = identifier(ROLE)
    if [ROLE] not in cluster.query("SELECT rolname FROM pg_roles"):
        cluster.query(f"CREATE ROLE {name}")
    rights = "LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT CONNECTION LIMIT 6"
    cluster.query(f"ALTER ROLE {name} WITH {rights} PASSWORD {literal(verifier.reveal())}")


def _admit(source: Source) -> None:
    path = Path(source.cluster.query("SHOW hba_file")[0][0])
    text = path.read_text(encoding="utf-8")
    wanted = admitted(text, source.standby)
    if text != wanted:
        new = path.with_name(f"{path.name}.netdr")
        new.write_text(wanted, encoding="utf-8")
        shutil.copystat(path, new)
        shutil.chown(new, path.stat().st_uid, path.stat().st_gid)
        new.replace(path)
    wrong = source.cluster.query("SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL")
    if wrong:
        raise BackupError("pg_hba.conf has mistakes", where=f"{path}:{wrong[0][0]}", why=wrong[0][1], hint="mend it")
    source.cluster.query("SELECT pg_reload_conf()")


def _reload(cluster: Cluster, name: str, value: str, not_: str = "") -> None:
    cluster.query("SELECT pg_reload_conf()")
    end = time.monotonic() + _RELOAD
    while True:
        ((now,),) = cluster.query(f"SELECT current_setting('{name}')")
        if now == value or (not_ and now != not_):
            return
        if time.monotonic() > end:
            hint = "see the server's log: it says why it did not take it"
            raise BackupError(f"PostgreSQL does not take the new {name}", where=cluster.shell.name, hint=hint)
        time.sleep(0.1)
