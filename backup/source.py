"""Where everything lies in a snapshot: ``postgresql/<database>/{dump/,roles.sql}``, ``files/<path>/``, the ledger."""

from __future__ import annotations

from pathlib import Path

from inventory.asset import Files, Postgres

LEDGER = "ledger.jsonl"
HINT = "check data of the asset in the inventory, and that its disk is mounted"


def files_folder(top: Path, source: Files) -> Path:
    """Return where a directory tree lies in a staged tree."""
    return top / "files" / source.path.strip("/")


def database_folder(top: Path, source: Postgres) -> Path:
    """Return where a database lies in a staged tree."""
    return top / "postgresql" / source.database
