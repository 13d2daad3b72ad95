"""The data that backups are measured on: 1 GB in 10,000 files, and a database of 1 GB."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from backup.postgres import AS_POSTGRES, Cluster

# Seconds that one piece of work may take.
LIMIT = 900
FILES, SIZE = 10_000, 100_000
# pgbench's scale of a database of 1 GB.
SCALE = 70


def fill(top: Path) -> None:
    """Write 1 GB in 10,000 files of different sizes, one in five of them text."""
    chance = random.Random(1)  # noqa: S311 - the same data each time
    words = [bytes(chance.choices(b"abcdefghijklmnop", k=chance.randrange(3, 9))) for _ in range(5000)]
    for number in range(FILES):
        size = int(SIZE * (0.2 + 1.6 * chance.random()))
        text = number % 5 == 0
        content = b" ".join(chance.choices(words, k=size // 7)) if text else chance.randbytes(size)
        path = top / f"{number // 100:03}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def load(cluster: Cluster) -> None:
    """Make the database ``bench`` of 1 GB."""
    cluster.query("CREATE DATABASE bench")
    argv = [*AS_POSTGRES, str(cluster.programs / "pgbench"), "-h", str(cluster.socket), "-U", "postgres"]
    argv += ["-q", "-i", "-s", str(SCALE), "bench"]
    subprocess.run(argv, check=True, capture_output=True, cwd="/", timeout=LIMIT)
