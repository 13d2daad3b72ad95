"""Damage a repository on purpose, to see whether a proof notices: a verifier that never went red proves nothing.

On the DR host: ``python -m backup.damage SERVICE`` flips one bit of a file of the newest copy and prints where;
``python -m backup.damage SERVICE PACK OFFSET`` flips it back.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from backup import manifest, snapshots, source
from backup.machine import Machine, this_machine
from backup.restic import Blob, Repository, Restic
from netdr.kernel.errors import BackupError, NetdrError, UsageError

# How many of the largest pieces of content are looked at: some may belong to older snapshots only.
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Flip:
    """A flipped bit: the file of the snapshot that it damages, and the byte's place in a pack file."""

    snapshot: str
    file: str
    pack: str
    offset: int


def choose(restic: Restic, repository: Repository, service: str) -> Flip:
    """Return where to flip a bit so that a file of the newest snapshot is damaged, in the middle of its largest piece.

    Raise BackupError if there is nothing to damage.
    """
    newest = snapshots.choose(
        snapshots.of_service(restic.snapshots(repository), service), snapshots.LATEST, repository.label
    )
    largest = sorted(restic.blobs(repository), key=lambda blob: (-blob.length, blob.id))[:_CANDIDATES]
    paths = restic.paths(repository, newest.id, [blob.id for blob in largest])
    own = {manifest.NAME, source.LEDGER}
    for blob in largest:
        if paths.get(blob.id, manifest.NAME) not in own:
            return Flip(newest.id, paths[blob.id], blob.pack, _middle(blob))
    raise BackupError("the snapshot has no file to damage", where=repository.label)


def flip(repositories: Path, service: str, pack: str, offset: int) -> None:
    """Flip the lowest bit of a byte of a pack file; a second time brings it back. Size and times stay as they are."""
    path = repositories / service / "data" / pack[:2] / pack
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _middle(blob: Blob) -> int:
    return blob.offset + blob.length // 2


def main(arguments: list[str], machine: Machine | None) -> str:
    """Do what the module says and return the text to print. Raise UsageError for anything else."""
    if machine is None or len(arguments) not in {1, 3}:
        raise UsageError("on the DR host: python -m backup.damage SERVICE [PACK OFFSET]")
    service = machine.book.select(arguments[:1])[0].asset.id
    if len(arguments) == 3:
        flip(machine.layout.repositories, service, arguments[1], int(arguments[2]))
        return json.dumps({"pack": arguments[1], "offset": int(arguments[2])})
    place = choose(machine.plain_restic, machine.layout.disk(service), service)
    flip(machine.layout.repositories, service, place.pack, place.offset)
    return json.dumps(asdict(place))


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:], this_machine()) + "\n")
    except NetdrError as error:
        sys.stderr.write(f"netdr: {error.report()}\n")
        sys.exit(error.exit_code)
