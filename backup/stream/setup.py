"""Set up streaming from a home host to the DR host. What is there is kept: run it as often as you like.

Three steps, of which the controller carries the results: the DR host's ``verifiers`` (no password: what a home host
keeps of one), the home host's ``offer`` (nothing secret), the DR host's ``accept``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from backup import tree
from backup.duty import Book, Role
from backup.machine import Machine
from backup.postgres import VERSIONS, programs
from backup.report import Steps
from backup.repository import Layout, keep_secret, write_private
from backup.stream import canary, link, origin, receiver, scram, tend
from backup.stream.archive import OWNER
from backup.stream.link import ROLE, Link, Offer
from backup.stream.wire import Wire
from netdr.kernel.errors import BackupError
from netdr.kernel.secret import Secret


def sites(book: Book, role: Role) -> tuple[str, ...]:
    """Return the home sites whose databases are streamed, among a host's duties of a role."""
    found = (one.asset.home for one in book.duties.values() if one.role == role and link.streamed(one))
    return tuple(dict.fromkeys(found))


def verifiers(book: Book, layout: Layout) -> Mapping[str, Secret]:
    """On the DR host: make a password for each home site and return what each home host has to know of it."""
    found = {}
    for site in sites(book, "standby"):
        folder = _folder(layout, site)
        kept = folder / "verifier"
        if not kept.exists():
            password = keep_secret(folder / "password")
            _write(link.passfile(folder), f"*:*:*:{ROLE}:{password.reveal()}\n")
            write_private(kept, scram.verifier(password).reveal() + "\n")
        found[site] = Secret(kept.read_text(encoding="ascii").strip())
    return found


def greeting(book: Book, layout: Layout) -> Mapping[str, str]:
    """Return ``verifiers`` for JSON: for a pipe to another host, never for a file or a screen."""
    return {site: one.reveal() for site, one in verifiers(book, layout).items()}


def answer(machine: Machine, greeted: Mapping[str, str], steps: Steps) -> Mapping[str, object]:
    """On a home host: given what ``greeting`` said, return the ``offer`` as a fact for JSON, no fact without one."""
    made = offer(machine, {site: Secret(one) for site, one in greeted.items()}, steps)
    return {"offer": made.reveal()} if made else {}


def offer(machine: Machine, verified: Mapping[str, Secret], steps: Steps) -> Offer | None:
    """On a home host: let the DR host in and return what it must know, None if nothing here is streamed.

    Raise Problems with all that only the cluster's administrator can change, BackupError without a verifier.
    """
    found = sites(machine.book, "home")
    if not found:
        return None
    site = found[0]
    if site not in verified:
        hint = "run netdr backup init again"
        raise BackupError(f"the DR host has no password for site '{site}'", where=machine.book.host, hint=hint)
    server, folder = machine.book.server, machine.layout.stream / "server"
    source = origin.Source(machine.cluster(), site, machine.book.host, origin.own_address(server), server, folder)
    with steps.step("let the DR host stream"):
        made = origin.prepare(source, verified[site], machine.clock())
    with steps.step("canary"):
        canary.ensure(machine)
    return made


def accept(machine: Machine, offered: Offer, steps: Steps) -> Mapping[str, object]:
    """On the DR host: keep a home host's offer, receive, take the first base backup. Return the facts of ``tend.run``.

    Raise UnreachableError or BackupError if the home cluster does not let this host in.
    """
    folder = _folder(machine.layout, offered.site)
    _write(link.certificate(folder), offered.certificate)
    _write(link.written(folder), json.dumps(offered.reveal(), indent=2) + "\n")
    sharing = [one for one in machine.book.duties.values() if link.streamed(one) and one.asset.home == offered.site]
    if not sharing:
        what = f"no asset of site '{offered.site}' is streamed to this host"
        raise BackupError(what, where=machine.book.host, hint=link.INIT)
    return tend.run(machine, sharing[0], steps)


def wire(machine: Machine, to: Link) -> Wire:
    """Return the way to ask the home cluster of a link."""
    return Wire(machine.shell, programs(VERSIONS), to)


def remove(machine: Machine, to: Link) -> None:
    """Stop receiving. What was received stays, and so does the slot: its limit keeps it from filling a disk."""
    receiver.daemon(machine.shell, to).stop(machine.shell)


def _folder(layout: Layout, site: str) -> Path:
    folder = layout.stream / site
    tree.passable(layout.stream)
    folder.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(folder, OWNER, OWNER)
    return folder


def _write(path: Path, text: str) -> None:
    write_private(path, text)
    shutil.chown(path, OWNER, OWNER)
