"""Which state of an inventory something was made from: the git commit of its files, or their hash."""

from __future__ import annotations

import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path

from inventory.draft import FILES
from inventory.record import FILE

# In seconds. git answers in milliseconds; a folder on a network that hangs must not hold a plan up.
_LIMIT = 10


def revision(folder: Path) -> str:
    """Return what names the state of a district's folder, empty if its files cannot be read.

    That is the last commit of its files; ``COMMIT+dirty:HASH`` if they differ from it; ``files:HASH`` if they are not
    in git, or git cannot say. HASH is SHA-256 over the names and contents of the files.
    """
    names = [name for name in (*FILES, FILE) if (folder / name).is_file()]
    if not names:
        return ""
    try:
        hashed = _hash(folder, names)
    except OSError:
        return ""
    commit = _git(folder, "log", "-1", "--format=%H", "--", *names)
    changed = _git(folder, "status", "--porcelain", "--untracked-files=all", "--", *FILES, FILE)
    if not commit or changed is None:
        return f"files:{hashed}"
    return f"{commit}+dirty:{hashed}" if changed else commit


def restore(folder: Path, revision: str, into: Path) -> bool:
    """Write a district's folder as it was in a revision into another; return whether that could be done.

    It can if the revision is a commit that git still has: not of files that were never committed.
    """
    if not re.fullmatch(r"[0-9a-f]{40,64}", revision):
        return False
    listed = _git(folder, "ls-tree", "--name-only", revision, "--", *FILES, FILE)
    for name in (listed or "").splitlines():
        text = _git(folder, "show", f"{revision}:./{name}")
        if text is None:
            return False
        (into / name).write_text(text + "\n", encoding="utf-8")
    return bool(listed)


def _hash(folder: Path, names: list[str]) -> str:
    found = sha256()
    for name in names:
        data = (folder / name).read_bytes()
        found.update(f"{name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says in a folder, None if it fails or takes too long. It takes no lock: others may be at work."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    return done.stdout.strip()
