"""The receiver: writes the home cluster's log to this host's disk as it happens, and says so to the source."""

from __future__ import annotations

from backup.host import Shell
from backup.postgres import VERSIONS, programs
from backup.stream.archive import Archive
from backup.stream.daemon import Daemon
from backup.stream.link import SLOT, Link
from backup.stream.wire import Wire

# pg_receivewal's own loop waits 5 s before it connects again: five seconds that would be lost with the main site.
_AGAIN = 'trap "kill $!; exit 0" TERM INT; while :; do "$@" & wait $!; sleep 0.5; done'
# What is started ends with whoever started it, even if that is killed.
_TOGETHER = ("setpriv", "--pdeathsig", "KILL", "--")


def daemon(shell: Shell, link: Link) -> Daemon:
    """Return the receiver of a link: ``pg_receivewal``, started again half a second after it lost its source.

    It flushes what it gets at once and tells the source, so that the source knows what it may throw away.
    """
    wire = Wire(shell, programs(VERSIONS), link)
    flags = [f"--slot={SLOT}", "--synchronous", "--no-loop", "--no-password"]
    once = wire.argv("pg_receivewal", *flags, f"--directory={Archive(link.top).current / 'wal'}", before=_TOGETHER)
    argv = ("/bin/sh", "-c", _AGAIN, "sh", *once)
    return Daemon(f"netdr-stream-{link.site}", f"netdr receiver of site {link.site}", argv, link.top.parent / "run")
