"""The ways in which a copy is damaged, each a row of the table: what was seen in practice, and what an intruder does.

A row's function damages a scratch copy and returns the words by which the verifier must name the damage: one of them at
least. ``None`` says that the copy has nothing to damage in this way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from backup import damage, postgres, source
from backup.manifest import Manifest
from backup.mutation.scratch import Scratch
from backup.repository import write_private
from inventory.asset import Level, Postgres

Damage = Callable[[Scratch], tuple[str, ...] | None]
# Bytes. A pack ends with its header and, in four bytes, that one's length (restic's manual, "Pack Format").
LENGTH = 4
# A snapshot that is the newest, by a time that can be true.
SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One way. ``depth``: the level that is needed to see it; all above it see it too."""

    name: str
    damage: Damage
    depth: Level = "v2"


def _flipped(scratch: Scratch, path: Path, offset: int) -> tuple[str, ...]:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    scratch.rewrite(path, bytes(content))
    return (path.name[:10],)


def _pack(scratch: Scratch) -> tuple[Path, damage.Flip]:
    place = damage.choose(scratch.machine.plain_restic, scratch.repository, scratch.duty.asset.id)
    return scratch.folder / "data" / place.pack[:2] / place.pack, place


def _only(scratch: Scratch, kind: str) -> Path:
    """Return the newest file of a kind."""
    return max((scratch.folder / kind).iterdir(), key=lambda path: path.stat().st_mtime_ns)


def data_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in the content of a file."""
    path, place = _pack(scratch)
    return (*_flipped(scratch, path, place.offset), place.file)


def tree_flipped(scratch: Scratch) -> tuple[str, ...] | None:
    """Flip a bit in a folder's list of names."""
    data = {blob.pack for blob in scratch.machine.plain_restic.blobs(scratch.repository)}
    trees = [path for path in (scratch.folder / "data").glob("??/*") if path.name not in data]
    if not trees:
        return None
    path = max(trees, key=lambda path: path.stat().st_mtime_ns)
    return _flipped(scratch, path, path.stat().st_size // 4)


def header_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in a pack's header, which no restore needs while there is an index."""
    path, _ = _pack(scratch)
    return _flipped(scratch, path, path.stat().st_size - LENGTH - 1)


def pack_cut(scratch: Scratch) -> tuple[str, ...]:
    """Lose the end of a pack, from the middle of a file's content on."""
    path, place = _pack(scratch)
    scratch.rewrite(path, path.read_bytes()[: place.offset])
    return path.name[:10], place.file


def pack_deleted(scratch: Scratch) -> tuple[str, ...]:
    """Lose a pack."""
    path, place = _pack(scratch)
    path.unlink()
    return path.name[:10], place.file


def pack_zeroed(scratch: Scratch) -> tuple[str, ...]:
    """Fill a pack with zeros, as a file system does after a crash."""
    path, place = _pack(scratch)
    scratch.rewrite(path, bytes(path.stat().st_size))
    return path.name[:10], place.file


def index_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in an index."""
    path = _only(scratch, "index")
    return _flipped(scratch, path, path.stat().st_size // 2)


def config_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in the repository's configuration."""
    path = scratch.folder / "config"
    _flipped(scratch, path, path.stat().st_size // 2)
    return ("config",)


def key_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in the key."""
    path = _only(scratch, "keys")
    return _flipped(scratch, path, path.stat().st_size // 2)


def snapshot_flipped(scratch: Scratch) -> tuple[str, ...]:
    """Flip a bit in a snapshot."""
    path = scratch.folder / "snapshots" / scratch.newest.id
    return _flipped(scratch, path, path.stat().st_size // 2)


def snapshot_deleted(scratch: Scratch) -> tuple[str, ...]:
    """Delete a snapshot: restic calls the rest whole."""
    newest = scratch.newest
    (scratch.folder / "snapshots" / newest.id).unlink()
    return (newest.source[:8],)


def snapshot_replaced(scratch: Scratch) -> tuple[str, ...] | None:
    """Put an older snapshot under the newest one's name."""
    if len(scratch.found) == 1:
        return None
    folder, newest = scratch.folder / "snapshots", scratch.newest
    scratch.rewrite(folder / newest.id, (folder / scratch.found[0].id).read_bytes())
    return newest.id[:8], newest.source[:8]


def snapshot_from_the_future(scratch: Scratch) -> tuple[str, ...]:
    """Add a snapshot that claims to be of tomorrow, so that it is the newest for a day."""
    folder = scratch.spare / "tomorrow"
    folder.mkdir()
    (folder / "ransom.txt").write_text("nothing\n", encoding="utf-8")
    return (scratch.save(folder, timedelta(days=1)),)


def ledger_shortened(scratch: Scratch) -> tuple[str, ...]:
    """Take a line out of the ledger."""
    path = scratch.machine.layout.ledger(scratch.duty.asset.id)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[len(lines) // 2 - 1]
    path.write_text("".join(lines), encoding="utf-8")
    return ("the ledger is broken",)


def manifest_changed(scratch: Scratch) -> tuple[str, ...]:
    """Save a snapshot whose manifest is not the one that its tags promise."""
    return (scratch.save(scratch.restored(), SOON, lambda made: dataclasses.replace(made, host="another")),)


def file_changed(scratch: Scratch) -> tuple[str, ...] | None:
    """Save a snapshot in which a file is not what its manifest says: tampered with after it was hashed."""
    folder = scratch.restored()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    victim = next((path for path in files if path.name != source.LEDGER), None)
    if victim is None:
        return None

    def tamper(made: Manifest) -> Manifest:
        victim.write_bytes(victim.read_bytes()[:-1] + b"!")
        return made

    scratch.save(folder, SOON, tamper)
    return (str(victim.relative_to(folder)),)


def dump_emptied(scratch: Scratch) -> tuple[str, ...] | None:
    """Save a database's dump without its content, with a manifest that is true to that."""
    return _dumped(scratch, lambda dump: (dump / "toc.dat").write_bytes(b""))


def dump_cut(scratch: Scratch) -> tuple[str, ...] | None:
    """Save a database's dump whose largest table ends in the middle of a row, with a manifest that is true to that."""

    def cut(dump: Path) -> None:
        table = max(dump.glob("*.dat"), key=lambda path: (path.name != "toc.dat") * path.stat().st_size)
        content = table.read_bytes()
        half = content.rfind(b"\n", 0, len(content) // 2)
        table.write_bytes(content[: max(half, 0) + 2])

    return _dumped(scratch, cut)


def wrong_password(scratch: Scratch) -> tuple[str, ...]:
    """Lose the repository's password."""
    write_private(scratch.repository.password, "not the password\n")
    return ("password",)


def _dumped(scratch: Scratch, change: Callable[[Path], object]) -> tuple[str, ...] | None:
    databases = [one for one in scratch.duty.asset.data if isinstance(one, Postgres)]
    if not databases:
        return None
    folder = scratch.restored()
    change(source.database_folder(folder, databases[0]) / postgres.DUMP)
    scratch.save(folder, SOON)
    return (f"the database '{databases[0].database}'",)


ROWS: tuple[Row, ...] = (
    Row("byte of a data pack flipped", data_flipped),
    Row("byte of a tree pack flipped", tree_flipped),
    Row("byte of a pack header flipped", header_flipped),
    Row("pack truncated", pack_cut),
    Row("pack deleted", pack_deleted),
    Row("pack zeroed, same size", pack_zeroed),
    Row("index flipped", index_flipped),
    Row("config flipped", config_flipped),
    Row("key flipped", key_flipped),
    Row("snapshot flipped", snapshot_flipped),
    Row("snapshot deleted", snapshot_deleted),
    Row("snapshot replaced by an older one", snapshot_replaced),
    Row("snapshot from the future", snapshot_from_the_future),
    Row("line of the ledger removed", ledger_shortened),
    Row("manifest changed", manifest_changed),
    Row("file changed after it was hashed", file_changed),
    Row("dump emptied", dump_emptied, "v3"),
    Row("dump cut", dump_cut, "v3"),
    Row("password lost", wrong_password),
)
