"""Where each service is active, and since which decision: the file ``placement.json`` of the state folder.

``{"epoch": 3, "active": {"portal": "dr"}}``. The epoch grows by one with every failover or failback, so that the older
of two placements can be told from the newer one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inventory.model import District
from netdr.kernel.errors import InventoryError, unknown

FILE = "placement.json"


@dataclass(frozen=True)
class Placement:
    """``active``: the site each service is served from, by service id. ``epoch``: how many decisions led here."""

    epoch: int
    active: Mapping[str, str]

    def moved(self, services: Mapping[str, str]) -> Placement:
        """Return the next placement, with ``services`` (service id → site id) served from other sites."""
        return Placement(self.epoch + 1, {**self.active, **services})


def home(district: District) -> Placement:
    """Return the placement of a quiet day: every service at its home site, epoch 0."""
    return Placement(0, {service.id: service.home for service in district.services})


def load(state: Path, district: District) -> Placement:
    """Return the placement recorded in the state folder, or ``home`` if none is.

    A service that is new since the file was written is at home. Raise InventoryError if the file cannot be read or
    names a service or site the district does not have.
    """
    path = state / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return home(district)
    except (OSError, UnicodeDecodeError) as error:
        raise InventoryError("the placement cannot be read", where=str(path), why=str(error)) from error
    return parse(text, path, district)


def save(state: Path, placement: Placement) -> None:
    """Replace the recorded placement at once and durably: after a crash the file is the old one or the new one."""
    path = state / FILE
    new = path.with_suffix(".new")
    value = {"epoch": placement.epoch, "active": dict(sorted(placement.active.items()))}
    with new.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(state, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def parse(text: str, path: Path, district: District) -> Placement:
    """Return the placement a text holds; ``path`` is where it came from. Raise InventoryError if it is none."""
    hint = f"restore {path} from a backup, or remove it if every service is at home"
    try:
        value = json.loads(text)
        epoch, active = value["epoch"], value["active"]
        well_formed = isinstance(epoch, int) and all(isinstance(site, str) for site in active.values())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InventoryError("the placement is damaged", where=str(path), why=str(error), hint=hint) from error
    if not well_formed:
        raise InventoryError("the placement is damaged", where=str(path), hint=hint)
    _check("service", active, {service.id for service in district.services}, path)
    _check("site", active.values(), {site.id for site in district.sites}, path)
    return Placement(epoch, {**home(district).active, **active})


def _check(noun: str, names: Iterable[str], known: set[str], path: Path) -> None:
    for name in sorted(set(names) - known):
        raise InventoryError(unknown(noun, name, known), where=str(path))
