"""The files of a repository, looked at without restic."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.proof import objects


def put(folder: Path, content: bytes) -> Path:
    name = hashlib.sha256(content).hexdigest()
    path = folder / name[:2] / name if folder.name == "data" else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "config").write_bytes(b"anything: it is named config")
    for kind in ("keys", "snapshots", "index", "data"):
        put(tmp_path / kind, kind.encode())
    return tmp_path


def test_a_whole_repository(repository: Path) -> None:
    assert objects.damaged(repository) == ()


def test_a_pack_and_when_it_came(repository: Path) -> None:
    (path,) = (repository / "data").glob("*/*")
    os.utime(path, (0, 86400))
    (pack,) = objects.packs(repository)
    assert (pack.id, pack.size, pack.since) == (path.name, 4, datetime(1970, 1, 2, tzinfo=UTC))


def test_what_changes_when_data_comes(repository: Path) -> None:
    before = objects.contents(repository)
    put(repository / "locks", b"lock")
    assert objects.contents(repository) == before
    put(repository / "snapshots", b"another")
    assert objects.contents(repository) != before


def test_what_is_no_repository(tmp_path: Path) -> None:
    assert objects.damaged(tmp_path / "nothing")[:2] == ("config is missing", "keys is missing")
    assert objects.packs(tmp_path / "nothing") == ()


def test_damage_has_a_name(repository: Path) -> None:
    (pack,), (index,) = (repository / "data").glob("*/*"), (repository / "index").iterdir()
    pack.write_bytes(b"dat!")
    index.write_bytes(b"")
    (repository / "config").unlink()
    assert objects.damaged(repository) == (
        "config is missing",
        f"index/{index.name} (0 bytes) is not what it is named after",
        f"data/{pack.name[:2]}/{pack.name} (4 bytes) is not what it is named after",
    )
