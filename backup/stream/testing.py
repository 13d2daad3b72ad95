"""For tests and figures: a home host with a PostgreSQL of its own, and its DR host, in a folder, over loopback."""

from __future__ import annotations

import dataclasses
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup.bubble import blow
from backup.duty import Book, Duty
from backup.host import LocalShell
from backup.machine import Machine
from backup.postgres import AS_POSTGRES, VERSIONS, Cluster, programs
from backup.report import Steps
from backup.repository import Layout
from backup.stream import canary, link, proof, receiver, recover, setup, tend
from backup.stream.archive import Archive
from backup.stream.link import Offer
from backup.stream.recover import Recovered
from inventory.asset import Asset, Protection

ADDRESS = "127.0.0.1"
# Seconds for initdb, pg_ctl and the like.
_LIMIT = 60.0


@dataclass(frozen=True)
class Two:
    """The two hosts; ``cluster`` is the database server of both, and the home host's is streamed."""

    root: Path
    cluster: Cluster
    home: Machine
    standby: Machine

    @property
    def duty(self) -> Duty:
        """The DR host's only duty."""
        return next(iter(self.standby.book.duties.values()))

    @property
    def site(self) -> str:
        """The home site."""
        return self.duty.asset.home

    @property
    def archive(self) -> Archive:
        """What the DR host has received."""
        return Archive(self.standby.layout.archives / self.site)

    def set_up(self) -> Offer:
        """Do what init does for streaming, and return the home host's offer."""
        known = setup.verifiers(self.standby.book, self.standby.layout)
        offered = setup.offer(self.home, known, quiet())
        if offered is None:
            message = "the asset is not streamed"
            raise ValueError(message)
        setup.accept(self.standby, Offer.of(offered.reveal()), quiet())
        return offered

    def tend(self) -> Mapping[str, object]:
        """Tend the stream at the DR host and return the facts."""
        return tend.run(self.standby, self.duty, quiet())

    def prove(self, at: datetime | None = None) -> Mapping[str, object]:
        """Prove the stream and return the facts."""
        return proof.run(self.standby, self.duty, quiet(), at)

    @contextmanager
    def recovered(self, at: datetime | None = None) -> Iterator[Recovered]:
        """Run the cluster as it was at ``at`` while the block runs."""
        work = self.root / "recovered"
        work.mkdir()
        work.chmod(0o711)
        try:
            with (
                blow("the bubble of a test", work) as bubble,
                recover.recovered(self.standby, self.archive, bubble, work / "pg", at) as back,
            ):
                yield back
        finally:
            shutil.rmtree(work)

    def pg_ctl(self, *words: str) -> None:
        """Start or stop the home host's cluster. Raise RuntimeError if that fails."""
        folder = self.root / "pg"
        program = str(self.cluster.programs / "pg_ctl")
        # Its output to a file: the server keeps it open.
        begin = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", *AS_POSTGRES, program]
        done = self.home.shell.run([*begin, "-D", f"{folder}/d", "-l", f"{folder}/log", "-w", *words], limit=_LIMIT)
        if done.code != 0:
            raise RuntimeError((folder / "log").read_text(encoding="utf-8"))

    def close(self) -> None:
        """End everything that runs, at once."""
        receiver.daemon(self.standby.shell, link.of_site(self.standby.layout, self.site)).stop(self.standby.shell)
        canary.daemon(self.home).stop(self.home.shell)
        self.pg_ctl("stop", "-m", "immediate")


def quiet() -> Steps:
    """Return steps whose progress nobody reads."""
    return Steps("*", lambda _line: None)


def make(root: Path, asset: Asset, protection: Protection, settings: str = "") -> Two:
    """Make both hosts below the new folder ``root``, which postgres must be able to reach; start the home cluster.

    ``settings``: lines for its postgresql.conf. ``set_up`` is left to the caller, and so is ``close``.
    """
    folder, found = root / "pg", programs(VERSIONS)
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    shell = LocalShell("host-main")
    initdb = [*AS_POSTGRES, f"{found}/initdb", "--no-sync", "-k", "-U", "postgres", "-A", "trust", "--locale=C.UTF-8"]
    shell.run([*initdb, "-D", f"{folder}/d"], limit=_LIMIT)
    with socket.create_server((ADDRESS, 0)) as probe:
        port = int(probe.getsockname()[1])
    own = f"listen_addresses='{ADDRESS}'\nunix_socket_directories='{folder}'\nport={port}\n{settings}\n"
    with (folder / "d" / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(own)
    (folder / "d" / "pg_hba.conf").write_text("local all all trust\n", encoding="utf-8")
    cluster = Cluster(shell, found, prefix=AS_POSTGRES, socket=folder, port=port)
    home = _machine(root / "home", Duty(asset, "home", protection), cluster)
    two = Two(root, cluster, home, _machine(root / "standby", Duty(asset, "standby", protection), cluster))
    two.pg_ctl("start")
    return two


def _machine(top: Path, duty: Duty, cluster: Cluster) -> Machine:
    top.mkdir()
    top.chmod(0o711)
    layout = dataclasses.replace(Layout.under(top), bubbles=top.parent)
    layout.credentials.parent.mkdir(parents=True)
    host = "host-main" if duty.role == "home" else "host-dr"
    book = Book(host, "services", ADDRESS, {duty.asset.id: duty})
    return Machine(book, layout, LocalShell(host), lambda: cluster, lambda: datetime.now(UTC))
