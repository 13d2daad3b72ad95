"""The address record as a file: ``addresses.yaml`` beside the inventory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from inventory import explain, source
from inventory.addressing import EMPTY, Record
from inventory.source import Document, Step
from netdr.kernel.errors import InventoryError, Problems, unknown

FILE = "addresses.yaml"
_HEADING = (
    "Who has which address and port. Written by 'netdr inventory allocate'; belongs in version control.\n"
    "An entry stays as long as its owner exists. To move something, remove its line and allocate again."
)
_KEYS = ("loopbacks", "links", "services", "nets", "ports")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """A record with the lines it stands on. ``document`` is None if nothing was ever allocated."""

    path: Path
    value: Record
    document: Document | None

    def where(self, at: tuple[Step, ...]) -> str:
        """Return ``file:line`` of an entry, such as ``("links", "core-1--core-2")``."""
        return self.document.where(at) if self.document else str(self.path)


def read(folder: Path) -> Written:
    """Return a folder's record, an empty one if it has none. Raise Problems if the file is damaged."""
    path = folder / FILE
    if not path.exists():
        return Written(path, EMPTY, None)
    document = source.read(path)
    return Written(path, _Parser(document).record(), document)


def write(folder: Path, record: Record) -> None:
    """Write the record into its folder, in one step."""
    value = {
        "loopbacks": {name: str(address) for name, address in record.loopbacks.items()},
        "links": {name: str(prefix) for name, prefix in record.links.items()},
        "services": {name: str(address) for name, address in record.services.items()},
        "nets": {name: str(prefix) for name, prefix in record.nets.items()},
        "ports": {node: dict(ports) for node, ports in record.ports.items()},
    }
    source.write(folder / FILE, value, _HEADING)


class _Parser:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._problems: list[InventoryError] = []

    def record(self) -> Record:
        top = self._mapping(self._document.value, ())
        for key in top.keys() - set(_KEYS):
            self._refuse((key,), unknown("key", key, _KEYS))
        record = Record(
            loopbacks=self._table(top, "loopbacks", IPv4Address),
            links=self._table(top, "links", IPv4Network),
            services=self._table(top, "services", IPv4Address),
            nets=self._table(top, "nets", IPv4Network),
            ports={node: self._ports(node, value) for node, value in self._part(top, "ports").items()},
        )
        if self._problems:
            raise Problems(self._problems)
        return record

    def _part(self, top: Mapping[str, object], key: str) -> Mapping[str, object]:
        if key not in top:
            self._refuse((), f"key '{key}' is missing")
            return {}
        return self._mapping(top[key], (key,))

    def _table(self, top: Mapping[str, object], key: str, make: Callable[[str], T]) -> dict[str, T]:
        found = {}
        for owner, value in self._part(top, key).items():
            try:
                if not isinstance(value, str):
                    raise ValueError("expected an address in text")  # noqa: TRY004, TRY301 - one handler for both
                found[owner] = make(value)
            except ValueError as error:
                self._refuse((key, owner), f"{key}, '{owner}': {explain.shown(value)}", str(error))
        return found

    def _ports(self, node: str, value: object) -> dict[str, str]:
        found = {}
        for user, port in self._mapping(value, ("ports", node)).items():
            if isinstance(port, str):
                found[user] = port
            else:
                self._refuse(("ports", node, user), f"ports of '{node}': {explain.shown(port)} is not a port's name")
        return found

    def _mapping(self, value: object, at: tuple[Step, ...]) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        self._refuse(at, f"{explain.shown(value)} is not a mapping (key: value)")
        return {}

    def _refuse(self, at: tuple[Step, ...], what: str, why: str = "") -> None:
        self._problems.append(InventoryError(what, where=self._document.where(at), why=why))
