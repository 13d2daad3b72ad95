"""The receiver: writes the home cluster's log to this host's disk as it happens, and says so to the source."""

from __future__ import annotations

from backup.host import Shell
from backup.postgres import VERSIONS, programs
from backup.stream.archive import Archive
from backup.stream.daemon import Daemon
from backup.stream.link import SLOT, Link
from backup.stream.wire import Wire


def daemon(shell: Shell, link: Link) -> Daemon:
    """Return the receiver of a link: ``pg_receivewal``, which by itself connects again for ever.

    It flushes what it gets at once and tells the source, so that the source knows what it may throw away.
    """
    wire = Wire(shell, programs(VERSIONS), link)
    target = Archive(link.top).current / "wal"
    argv = wire.argv("pg_receivewal", f"--slot={SLOT}", "--synchronous", "--no-password", f"--directory={target}")
    return Daemon(f"netdr-stream-{link.site}", f"netdr receiver of site {link.site}", argv, link.top.parent / "run")
