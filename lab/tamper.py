"""What an intruder or a dying disk does to a repository: one byte of its largest pack turns into another.

``python -m lab.tamper REPOSITORY``, run inside a node, flips the byte; run once more, it flips it back.
"""

from __future__ import annotations

import sys
from pathlib import Path

from netdr.kernel.errors import LabError


def flip(repository: Path) -> tuple[Path, int]:
    """Flip the byte in the middle of the largest pack, which holds data; return the pack and the offset."""
    packs = [path for path in (repository / "data").rglob("*") if path.is_file()]
    if not packs:
        raise LabError("there is no pack to tamper with", where=str(repository))
    pack = max(packs, key=lambda path: (path.stat().st_size, path.name))
    offset = pack.stat().st_size // 2
    with pack.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))
    return pack, offset


if __name__ == "__main__":
    try:
        sys.stdout.write("{}: byte {}\n".format(*flip(Path(sys.argv[1]))))
    except LabError as error:
        sys.exit(error.report())
