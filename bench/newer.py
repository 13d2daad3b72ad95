"""The newest restic of Debian and its rest-server, fetched by the machine's own apt, unpacked beside what is installed.

Nothing is installed: apt gets lists and packages of its own below the cache folder, from the same mirror, checked with
the same keyring as the machine's Debian source. The program needs only libc.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "netdr" / "debian"
# Debian's release in which new packages arrive first; it has had this name since 1999.
SUITE = "sid"
# Seconds: a look at the mirror, a download over a slow line, and how long a fetched program is new enough.
LOOK, FETCH, FRESH = 20, 300, 30 * 86400


class UnreachableError(Exception):
    """The program cannot be had here; the text says why."""


def restic(cache: Path = CACHE) -> Path:
    """Return the newest restic as a program, fetched if it is not there or a month old.

    Raise UnreachableError if this machine has no Debian source, or it cannot be reached.
    """
    return _program("restic", cache)


def rest_server(cache: Path = CACHE) -> Path:
    """Return the newest restic-rest-server as a program, as ``restic`` does."""
    return _program("restic-rest-server", cache)


def _program(package: str, cache: Path) -> Path:
    program = cache / "root" / "usr" / "bin" / package
    if not program.exists() or time.time() - program.stat().st_mtime > FRESH:
        _fetch(package, cache)
        program.touch()
    return program


def source(text: str) -> Mapping[str, str]:
    """Return the first stanza of Debian's own archive in deb822 sources (sources.list(5)), empty if there is none."""
    for part in re.split(r"\n\s*\n", text):
        lines = [line for line in part.splitlines() if not line.startswith("#")]
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        suites = fields.get("Suites", "").split()
        if fields.get("URIs", "").rstrip("/").endswith("/debian") and suites and "Signed-By" in fields:
            return fields
    return {}


def _fetch(package: str, cache: Path) -> None:
    found = next((parsed for text in _texts() if (parsed := source(text))), None)
    if found is None:
        raise UnreachableError("this machine has no Debian package source in deb822 form with a keyring")
    for folder in ("lists/partial", "archives/partial", "sources", "root"):
        (cache / folder).mkdir(parents=True, exist_ok=True)
    lines = {"Types": "deb", "URIs": found["URIs"], "Suites": SUITE, "Components": "main"}
    stanza = "".join(f"{name}: {value}\n" for name, value in {**lines, "Signed-By": found["Signed-By"]}.items())
    (cache / "sources" / "newer.sources").write_text(stanza, encoding="utf-8")
    _apt(cache, "update", "--error-on=any")
    for old in cache.glob(f"{package}_*.deb"):
        old.unlink()
    _apt(cache, "download", package)
    fetched = next(cache.glob(f"{package}_*.deb"))
    _run(["dpkg-deb", "--extract", str(fetched), str(cache / "root")], cache)


def _texts() -> Iterator[str]:
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        yield path.read_text(encoding="utf-8")


def _apt(cache: Path, *words: str) -> None:
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": f"{cache}/sources",
        "Dir::State::Lists": f"{cache}/lists",
        "Dir::Cache": str(cache),
        "Dir::Cache::Archives": f"{cache}/archives",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": str(LOOK),
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", "-q", *options, *words], cache)


def _run(argv: list[str], cache: Path) -> None:
    try:
        done = subprocess.run(argv, cwd=cache, capture_output=True, text=True, timeout=FETCH, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(str(error)) from error
    if done.returncode != 0:
        raise UnreachableError(f"{argv[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
