"""What lies in a repository as files, seen without opening it: names of snapshots and locks.

Opening a repository costs more than half a second of key derivation; a list of names costs a few milliseconds. A name
is all that is learnt: what a file says only restic can read.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from backup.restic.things import Repository
from netdr.kernel.errors import BackupError

# Seconds.
ANSWER = 30.0
# restic's REST protocol, version 2: a list of names and sizes.
_LIST = "application/vnd.x.restic.rest.v2"


def names(repository: Repository, kind: str) -> tuple[str, ...]:
    """Return the names of a repository's files of a kind (``snapshots``, ``locks``), sorted.

    Raise BackupError if they cannot be listed.
    """
    location = _location(repository)
    if not location.startswith("rest:"):
        return tuple(sorted(_local(Path(location) / kind, repository)))
    status, body = _ask(repository, "GET", f"{kind}/", {"Accept": _LIST})
    if status == 404:
        return ()
    if status != 200:
        raise BackupError(f"the backup server answers {status} when asked for {kind}", where=repository.label)
    return tuple(sorted(one["name"] for one in json.loads(body) or []))


def unlock(repository: Repository, lock: str) -> None:
    """Remove one lock. Raise BackupError if that fails; a lock that has gone is removed."""
    location = _location(repository)
    if not location.startswith("rest:"):
        (Path(location) / "locks" / lock).unlink(missing_ok=True)
        return
    status, _ = _ask(repository, "DELETE", f"locks/{lock}", {})
    if status not in {200, 204, 404}:
        raise BackupError(f"the backup server answers {status} when a lock is removed", where=repository.label)


def unfinished(repository: Repository) -> tuple[Path, ...]:
    """Return the files of a local repository that were being written: restic gives them their name when they are whole.

    A writer that is killed leaves them, and nothing of restic's removes them. While somebody writes they are not left
    over: ask when nobody does. Behind a server there are none to be seen.
    """
    location = _location(repository)
    return () if location.startswith("rest:") else tuple(Path(location).glob(f"**/{'?' * 64}-tmp-*"))


def _local(folder: Path, repository: Repository) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError as error:
        why = error.strerror or str(error)
        raise BackupError("the repository cannot be listed", where=repository.label, why=why) from error


def _location(repository: Repository) -> str:
    try:
        # Behind a pipe to rclone (``prune.maintained``) a repository lies here as well.
        return repository.location.read_text(encoding="utf-8").strip().removeprefix("rclone:")
    except OSError as error:
        hint = "run netdr backup init on a controller"
        raise BackupError(
            "this host does not know the repository", where=str(repository.location), hint=hint
        ) from error


def _ask(repository: Repository, verb: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    url = urlsplit(_location(repository).removeprefix("rest:"))
    word = base64.b64encode(f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode()).decode()
    try:
        with _connection(url, repository.cacert) as connection:
            connection.request(verb, f"{url.path}{path}", headers={"Authorization": f"Basic {word}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        hint = "check the DR host and the path to it"
        raise BackupError(
            "the backup server does not answer", where=repository.label, why=str(error), hint=hint
        ) from error


@contextmanager
def _connection(url: SplitResult, pinned: Path | None) -> Iterator[http.client.HTTPSConnection]:
    trust = ssl.create_default_context(cafile=pinned)
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=ANSWER, context=trust)
    try:
        yield connection
    finally:
        connection.close()
