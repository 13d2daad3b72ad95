"""Folders of jobs: gone afterwards, those of killed jobs too, those of living ones never."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from backup.folder import lent


def test_a_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with lent(tmp_path, "netdr-a") as folder:
        (folder / "deep").mkdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o711
        with lent(tmp_path, "netdr-a") as other:
            assert folder.is_dir()
            assert other != folder
    assert not list(tmp_path.iterdir())


def test_what_a_killed_job_left_goes_and_nothing_else_does(tmp_path: Path) -> None:
    code = (
        f"import os, pathlib; from backup.folder import lent; held = lent(pathlib.Path({str(tmp_path)!r}), 'netdr-a')"
    )
    killed = f"{code}; held.__enter__(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed], check=False, timeout=30)
    assert len(list(tmp_path.iterdir())) == 1
    others = ["netdr-a-b-abcdefgh", "netdr-a", "netdr-ab-abcdefgh", "netdr-a-abcdefghi"]
    for other in others:
        (tmp_path / other).mkdir()
    with lent(tmp_path, "netdr-a"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
