"""The way back on a bare host: from shares, the bundle and a repository's folder to what was saved in it.

No host, no ledger, no server and no controller is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backup import arrivals, restored, snapshots
from backup.escrow import keep, seal, shares
from backup.escrow.bundle import Bundle
from backup.report import Steps
from backup.repository import write_private
from backup.restic import Repository, Restic, Snapshot
from backup.restored import Restored
from backup.sources import netdr
from netdr.kernel.errors import RecoveryError, UsageError, unknown
from netdr.kernel.secret import Secret

PASSWORDS = "passwords"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: the asset (by default the one that the repository's folder is named after) and which snapshot."""

    repository: Path
    into: Path
    asset: str = ""
    snapshot: str = snapshots.LATEST


def run(given: Bundle, texts: Mapping[str, str], wish: Wish, restic: Restic, steps: Steps) -> Mapping[str, object]:
    """Open the bundle with shares (texts by file name), restore a snapshot below ``wish.into`` and return the facts.

    Facts: ``asset``, ``snapshot``, ``as_of``, ``files``, ``bytes``, ``opened`` (names of the secrets, now in files
    below ``into/passwords``), ``restored`` (the folder), and for netdr's own state ``inventory`` and ``state``.
    Raise Problems that name each share that is no use, UsageError if ``into`` is not empty or the asset is not in the
    bundle, DifferentError if what came back is not what was saved. After a failure the passwords opened so far stay.
    """
    if wish.into.exists() and any(wish.into.iterdir()):
        raise UsageError("the folder is not empty", where=str(wish.into), hint="name a new one")
    with steps.step("open"):
        opened = unlock(given, texts)
        name = _box(opened, wish)
        files = _write(opened, wish.into / PASSWORDS)
    location = wish.into / PASSWORDS / "repository"
    write_private(location, f"{wish.repository.absolute()}\n")
    repository = Repository(str(wish.repository), location, files[name])
    with steps.step("list"):
        chosen = _choose(repository, wish, restic, name.split("/")[1])
    with steps.step("restore and hash"):
        back = restored.restore(restic, repository, chosen, wish.into / "restored")
    return {**_facts(back), "opened": sorted(opened), **_netdr(back.folder, opened)}


def unlock(given: Bundle, texts: Mapping[str, str]) -> Mapping[str, Secret]:
    """Return every secret of a bundle. Raise Problems or RecoveryError, as ``shares.join`` and ``seal.open_`` do."""
    private = shares.join({name: keep.words(text) for name, text in texts.items()}, given.shares)
    if seal.public(private) != given.public:
        hint = "use the bundle that was made together with these shares"
        raise RecoveryError("the shares are sound, but not for this bundle", where=", ".join(texts), hint=hint)
    return {name: seal.open_(private, box.sealed, name) for name, box in given.boxes.items()}


def _box(opened: Mapping[str, Secret], wish: Wish) -> str:
    asset = wish.asset or wish.repository.name
    named = {name.split("/")[1]: name for name in opened if name.endswith("/standby")}
    if asset not in named:
        hint = "--asset NAME says whose repository it is"
        raise UsageError(unknown("asset in the escrow", asset, named), where=str(wish.repository), hint=hint)
    return named[asset]


def _write(opened: Mapping[str, Secret], folder: Path) -> Mapping[str, Path]:
    files = {name: folder / f"{name}.password" for name in opened}
    for name, path in files.items():
        write_private(path, opened[name].reveal() + "\n")
    return files


def _choose(repository: Repository, wish: Wish, restic: Restic, asset: str) -> Snapshot:
    """Return the snapshot: the newest of those that claim no time that their files' times speak against."""
    found = snapshots.of_service(restic.snapshots(repository), asset)
    times = [(one, arrivals.stored(wish.repository, one)) for one in found]
    came = (arrivals.of(one, at, at) for one, at in times)
    doubtful = {one.id for one in arrivals.judge(came, (), set()) if one.quarantine}
    counted = [one for one in found if one.id not in doubtful]
    pool = counted if wish.snapshot == snapshots.LATEST else found
    return snapshots.choose(pool, wish.snapshot, repository.label)


def _netdr(folder: Path, opened: Mapping[str, Secret]) -> dict[str, str]:
    """Put the vault's password where the saved state lacks it, and say where netdr's own things are."""
    top = folder / netdr.PLACE
    if not (top / "state").is_dir():
        return {}
    if keep.VAULT in opened:
        write_private(top / "state" / "vault-password", opened[keep.VAULT].reveal() + "\n")
    return {"inventory": str(top / "inventory"), "state": str(top / "state")}


def _facts(back: Restored) -> dict[str, object]:
    return {
        "asset": back.manifest.service,
        "snapshot": back.snapshot.id,
        "as_of": back.manifest.as_of.isoformat(),
        "files": back.manifest.files,
        "bytes": back.manifest.size,
        "restored": str(back.folder),
    }
