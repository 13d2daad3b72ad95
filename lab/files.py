"""A file on a node's disk, as the lab puts it there before the node first boots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """A regular file: its text (written as UTF-8), its permission bits and its ``user:group`` by name."""

    content: str
    mode: int = 0o644
    owner: str = "root:root"
