"""Where everything lies on a services host, and which files open which repository.

Each service has a repository at home (``home``) and its append-only copy at the DR site (``standby``), with passwords
and a server credential of their own, so that a leaked key is one service's history and not all.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backup.duty import PORT, Book, Duty
from backup.restic import Repository
from netdr.kernel.secret import Secret

Site = Literal["home", "standby"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a services host. ``under`` puts them all below another root, for tests."""

    credentials: Path = Path("/etc/netdr/backup")
    server: Path = Path("/etc/netdr/backup-server")
    repositories: Path = Path("/srv/restic")
    stream: Path = Path("/etc/netdr/stream")
    archives: Path = Path("/srv/netdr-pg")
    state: Path = Path("/var/lib/netdr")
    cache: Path = Path("/var/cache/netdr")
    runtime: Path = Path("/run/netdr")
    services: Path = Path("/etc/netdr/services")
    bubbles: Path = Path("/var/tmp")  # noqa: S108 - only the parent of folders with random names

    @classmethod
    def under(cls, root: Path) -> Layout:
        """Return the same layout below ``root``."""
        names = {name: root / str(getattr(cls(), name)).lstrip("/") for name in cls.__slots__}
        return cls(**names)

    @property
    def book(self) -> Path:
        """The host's duties."""
        return self.credentials / "host.json"

    @property
    def certificate(self) -> Path:
        """The DR server's certificate: the only one that is trusted."""
        return self.credentials / "server.crt"

    def ledger(self, service: str) -> Path:
        """Return the path of this host's ledger of a service."""
        return self.state / "ledger" / f"{service}.jsonl"

    def evidence(self, service: str) -> Path:
        """Return the folder of the evidence that a service's proofs have left."""
        return self.state / "evidence" / service

    def stage(self, service: str) -> Path:
        """Return the folder of the tree being saved: always the same, so that restic finds the snapshot before."""
        return self.cache / "stage" / service

    def home(self, service: str) -> Repository:
        """Return the repository at home, opened by path."""
        return self._repository(service, "home", f"{self.repositories}/{service}")

    def standby(self, service: str, server: str) -> Repository:
        """Return the append-only repository at the DR site, opened through its server."""
        label = f"https://{server}:{PORT}/{service}/"
        return self._repository(service, "standby", label, self.certificate)

    def disk(self, service: str) -> Repository:
        """Return the append-only repository as it lies on the DR host's own disk: what a proof reads."""
        folder = self.credentials / service
        return Repository(f"{self.repositories}/{service}", folder / "disk.repository", folder / "standby.password")

    def _repository(self, service: str, which: str, label: str, cacert: Path | None = None) -> Repository:
        folder = self.credentials / service
        return Repository(label, folder / f"{which}.repository", folder / f"{which}.password", cacert)


def target(layout: Layout, book: Book, duty: Duty) -> Repository:
    """Return the repository that a run on this host saves to.

    At home the local one. At the DR site, while the service is active there, the copy's own, through its server: what
    is made there is append-only from its first second too.
    """
    name = duty.asset.id
    return layout.home(name) if duty.role == "home" else layout.standby(name, book.server)


def origin_of(layout: Layout, book: Book, duty: Duty, origin: Site) -> Repository:
    """Return the repository that a restore on this host reads: at the DR site its own, at home that of ``origin``."""
    name = duty.asset.id
    if duty.role == "standby":
        return layout.disk(name)
    return layout.home(name) if origin == "home" else layout.standby(name, book.server)


def new_secret() -> Secret:
    """Return a new password: 256 random bits, URL-safe."""
    return Secret(secrets.token_urlsafe(32))


def write_private(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file that only its owner can read, at once and durably; return whether that changed anything."""
    if path.exists() and path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o7777 == mode:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return True


def keep_secret(path: Path) -> Secret:
    """Return the secret in a file; make one and write it first if there is no such file."""
    if not path.exists():
        write_private(path, new_secret().reveal() + "\n")
    return Secret(path.read_text(encoding="utf-8").strip())
