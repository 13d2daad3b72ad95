"""Give a host its duties, credentials, server and repositories. What is there is kept: run it as often as you like.

The DR host makes what both sides need and hands it out as an ``Access``; the controller only carries it, from one ssh
session to the other, and keeps nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import bcrypt

from backup import brake, certificate, server, tree
from backup.duty import PORT, Book, Duty
from backup.host import Shell
from backup.report import Steps
from backup.repository import Layout, keep_secret, write_private
from backup.restic import Restic
from backup.server import ACCOUNT, Listener
from netdr.kernel.errors import BackupError
from netdr.kernel.secret import Secret

# bcrypt's cost slows down guessing of weak passwords; these have 256 random bits, and it is paid on every request.
_COST = 5


@dataclass(frozen=True)
class Access:
    """What opens the DR site's repositories: the pinned certificate, and per service an address and a password."""

    certificate: str
    services: Mapping[str, tuple[Secret, Secret]]

    def reveal(self) -> dict[str, object]:
        """Return it for JSON, secrets in clear: for a pipe to another host, never for a file or a screen."""
        opened = {name: [one.reveal() for one in pair] for name, pair in self.services.items()}
        return {"certificate": self.certificate, "services": opened}

    @classmethod
    def of(cls, value: Any) -> Access:  # noqa: ANN401 - whatever JSON gave
        """Return what ``reveal`` gave. Raise BackupError, quoting nothing of it, if the value is not that."""
        try:
            pairs = {name: (Secret(address), Secret(word)) for name, (address, word) in value["services"].items()}
            return cls(value["certificate"], pairs)
        except (ValueError, TypeError, LookupError, AttributeError):
            raise BackupError("the DR host's access cannot be read", hint="run netdr backup init again") from None


def listener(layout: Layout, address: str) -> Listener:
    """Return where this host's backup server listens, if it is the DR host."""
    return Listener(address, PORT, layout.server, layout.repositories)


def standby(book: Book, layout: Layout, now: datetime, steps: Steps) -> Access:
    """Set up the DR host: certificate, credentials, server. Return what the home hosts need."""
    with steps.step("credentials"):
        access = prepare(book, layout, now)
    with steps.step("server"):
        place = listener(layout, book.server)
        server.sweep(place)
        server.ensure(place)
    return access


def prepare(book: Book, layout: Layout, now: datetime) -> Access:
    """Make what the DR host's server needs, but do not start it; return what the home hosts need."""
    names = [name for name, duty in book.duties.items() if duty.role == "standby"]
    place = listener(layout, book.server)
    write_private(layout.book, book.dump())
    pem = _certificate(layout, place, now)
    pairs = {name: _access(layout, place, name) for name in names}
    _passwords(layout, place, names)
    _own(place)
    return Access(pem, pairs)


def home(book: Book, layout: Layout, access: Access) -> None:
    """Give a home host its duties and its access to the DR site's repositories."""
    write_private(layout.book, book.dump())
    write_private(layout.certificate, access.certificate)
    for name, (address, word) in access.services.items():
        if name in book.duties:
            write_private(layout.credentials / name / "standby.repository", address.reveal() + "\n")
            write_private(layout.credentials / name / "standby.password", word.reveal() + "\n")


def repositories(book: Book, layout: Layout, duty: Duty, shell: Shell, steps: Steps) -> Mapping[str, object]:
    """Make a home service's two repositories where they are missing; return which were made.

    The copy takes the first one's chunker parameters: that cannot be changed later, and lets both share their blocks.
    A canary file is put into each directory tree.
    """
    name = duty.asset.id
    local, far = layout.home(name), layout.standby(name, book.server)
    keep_secret(local.password)
    write_private(local.location, f"{layout.repositories}/{name}\n")
    tree.passable(layout.cache)
    brake.plant(duty.asset.data)
    restic = Restic(shell, layout.cache / "restic")
    made = []
    if not (layout.repositories / name / "config").exists():
        tree.passable(layout.repositories.parent)
        layout.repositories.mkdir(mode=0o700, exist_ok=True)
        with steps.step("home repository"):
            restic.init(local)
        made.append("home")
    if not server.exists(far):
        with steps.step("DR repository"):
            restic.init(far, like=local)
        made.append("standby")
    return {"made": made}


def _certificate(layout: Layout, place: Listener, now: datetime) -> str:
    if place.certificate.exists():
        pem = place.certificate.read_text(encoding="ascii")
        if place.address in certificate.addresses(pem):
            write_private(layout.certificate, pem)
            return pem
    pem, key = certificate.make(place.address, now)
    write_private(place.key, key.reveal())
    write_private(place.certificate, pem)
    write_private(layout.certificate, pem)
    return pem


def _access(layout: Layout, place: Listener, name: str) -> tuple[Secret, Secret]:
    folder = layout.credentials / name
    credential = keep_secret(folder / "server.password")
    address = Secret(f"rest:https://{name}:{credential.reveal()}@{place.address}:{place.port}/{name}/")
    write_private(folder / "standby.repository", address.reveal() + "\n")
    write_private(folder / "disk.repository", f"{layout.repositories}/{name}\n")
    return address, keep_secret(folder / "standby.password")


def _passwords(layout: Layout, place: Listener, names: list[str]) -> None:
    before = dict(line.split(":", 1) for line in (_text(place.passwords)).splitlines() if ":" in line)
    lines = []
    for name in names:
        word = keep_secret(layout.credentials / name / "server.password").reveal().encode()
        known = before.get(name, "").encode()
        hashed = known if known and bcrypt.checkpw(word, known) else bcrypt.hashpw(word, bcrypt.gensalt(_COST))
        lines.append(f"{name}:{hashed.decode()}\n")
    write_private(place.passwords, "".join(lines))


def _own(place: Listener) -> None:
    place.repositories.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (place.folder, place.repositories, place.certificate, place.key, place.passwords):
        shutil.chown(path, ACCOUNT, ACCOUNT)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
