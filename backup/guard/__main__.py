"""``python -m backup.guard``: guard this host until it is ended. A small program, as it runs all the time."""

from __future__ import annotations

import sys
from typing import NoReturn

from backup.guard import host
from backup.guard.files import Place
from backup.host import LocalShell
from backup.postgres import main_cluster
from netdr.kernel.errors import RecoveryError


def main() -> NoReturn:
    """Guard the host by the book in its place; exit, saying why, if there is none."""
    place = Place()
    try:
        book = place.load_book()
    except RecoveryError as error:
        sys.stderr.write(f"{error.report()}\n")
        sys.exit(error.exit_code)
    shell = LocalShell(book.host)
    host.run(host.Guard(book, place, shell, lambda: main_cluster(shell)), _say)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
