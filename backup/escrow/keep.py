"""What a machine does for the escrow: make it, seal its secrets for it, keep the bundle, say what is missing in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backup.duty import Book
from backup.escrow import bundle, seal, shares
from backup.escrow.bundle import Box, Bundle
from backup.repository import Layout, keep_secret, write_private
from netdr.kernel.errors import BackupError, NetdrError, Problems, UsageError
from netdr.kernel.secret import Secret

VAULT = "vault"
_LABEL = """\
# netdr escrow: share {number} of {count}. Any {threshold} of them open every backup and the vault.
# netdr 密钥托管：共 {count} 份之第 {number} 份，任意 {threshold} 份可打开全部备份和密钥库。
# Set {set}, made {made}. Keep it on paper, apart from the others; tell nobody.
"""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A machine that keeps a bundle. ``key``: where the key lies that makes its marks, which only it can compare."""

    bundle: Path
    key: Path

    @classmethod
    def host(cls, layout: Layout) -> Keeper:
        """Return the keeper of a host with duties: the bundle lies beside the repositories that it opens."""
        return cls(layout.repositories / bundle.NAME, layout.credentials / "escrow.key")

    @classmethod
    def controller(cls, state: Path) -> Keeper:
        """Return the keeper of a controller, in its state folder."""
        return cls(state / bundle.NAME, state / "escrow.key")

    def read(self) -> Bundle:
        """Return the bundle that is kept. Raise BackupError if there is none or it cannot be read."""
        if not self.bundle.exists():
            hint = "netdr backup escrow split makes one; netdr backup escrow seal hands it to the hosts"
            raise BackupError("there is no escrow here", where=str(self.bundle), hint=hint)
        return Bundle.load(self.bundle.read_text(encoding="utf-8"), str(self.bundle))

    def write(self, made: Bundle) -> None:
        """Keep a bundle: its new boxes are added to those kept. Another escrow takes the place of an older one."""
        if self.bundle.exists():
            kept = self.read()
            if kept.public == made.public:
                made = kept.adding(made.boxes)
            elif kept.made > made.made:
                hint = "run netdr backup escrow seal on the controller that has the newer one"
                raise BackupError("a newer escrow is kept here", where=str(self.bundle), hint=hint)
        write_private(self.bundle, made.dump())

    def mark(self, secret: Secret) -> str:
        """Return what tells this machine whether a secret is the one that was sealed."""
        return secret.fingerprint(keep_secret(self.key).reveal().encode())


def split(into: Path, threshold: int, count: int, now: datetime) -> Bundle:
    """Make a new escrow: one file per share in the folder ``into``, and the bundle, still empty, that is returned.

    The private key exists in those files only. Raise UsageError if the numbers do not fit or a share is there already.
    """
    private = seal.new_key()
    words, made = shares.split(private, threshold, count)
    names = [into / f"share-{number}-of-{count}.txt" for number in shares.numbers(words)]
    there = [path.name for path in names if path.exists()]
    if there:
        raise UsageError(f"there is already {', '.join(there)}", where=str(into), hint="name an empty folder")
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = {"count": count, "threshold": threshold, "set": made.number, "made": f"{now:%F}"}
    for path, number, share in zip(names, shares.numbers(words), words, strict=True):
        write_private(path, _LABEL.format(number=number, **facts) + share.reveal() + "\n")
    return Bundle(seal.public(private), made, count, now, {})


def words(text: str) -> str:
    """Return the words of a share's file: all but its comments."""
    return " ".join(line for line in text.splitlines() if not line.startswith("#"))


def of_host(book: Book, layout: Layout) -> Mapping[str, Secret]:
    """Return the secrets of a host that must outlive it: the passwords of the repositories that it keeps for others."""
    found = {
        f"{book.host}/{name}/standby": layout.disk(name).password
        for name, duty in book.duties.items()
        if duty.role == "standby"
    }
    return {name: _secret(path) for name, path in found.items()}


def of_controller(vault_password: Path) -> Mapping[str, Secret]:
    """Return the secrets of a controller that must outlive it: the vault's password."""
    return {VAULT: _secret(vault_password)}


def close(keeper: Keeper, given: Bundle, secrets: Mapping[str, Secret], now: datetime) -> Bundle:
    """Seal the secrets that are new or changed, keep the bundle and return it."""
    keeper.write(given)
    kept = keeper.read()
    fresh = {name: secret for name, secret in secrets.items() if stale(keeper, kept, name, secret)}
    boxes = {name: Box(seal.close(kept.public, one), keeper.mark(one), now) for name, one in fresh.items()}
    keeper.write(kept.adding(boxes))
    return keeper.read()


def stale(keeper: Keeper, kept: Bundle, name: str, secret: Secret) -> bool:
    """Return whether a secret is not in a bundle, or not as it is now."""
    return name not in kept.boxes or kept.boxes[name].mark != keeper.mark(secret)


def check(keeper: Keeper, secrets: Mapping[str, Secret]) -> Mapping[str, object]:
    """Return what a machine keeps: ``sealed`` (names), ``digest`` (of the bundle), ``threshold``.

    Raise Problems with every secret of this machine that could not be recovered from the bundle as it is now.
    """
    kept, hint = keeper.read(), "netdr backup escrow seal"
    problems: list[NetdrError] = []
    for name, secret in secrets.items():
        if stale(keeper, kept, name, secret):
            why = "has changed since it was sealed" if name in kept.boxes else "is not in the escrow"
            problems.append(BackupError(f"{name} {why}", where=str(keeper.bundle), hint=hint))
    if problems:
        raise Problems(problems)
    return {"sealed": sorted(kept.boxes), "digest": kept.digest, "threshold": kept.shares.threshold}


def _secret(path: Path) -> Secret:
    try:
        return Secret(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        hint = "run netdr backup init on a controller"
        raise BackupError(
            "a secret for the escrow is missing", where=str(path), why=error.strerror or "", hint=hint
        ) from error
