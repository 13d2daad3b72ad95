"""The running configurations of the devices, fetched by this controller's own netdr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import source
from backup.machine import Machine
from inventory.asset import Devices
from netdr.kernel.errors import BackupError, NetdrError

PLACE = "devices"
# What is told of devices that did not answer: a unit without power must not keep the others from being saved.
MISSING = "not-answering.json"


def require(one: Devices, machine: Machine) -> Sequence[NetdrError]:  # noqa: ARG001 - a Kind's
    """Return a problem unless this is a controller."""
    if machine.book.role == "controller":
        return []
    return [BackupError("devices are reached from a controller only", where=machine.book.host, hint=source.HINT)]


def stage(one: Devices, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ARG001 - a Kind's
    """Fetch every device's configuration. Raise BackupError if not even half of the devices answer."""
    target = folder / PLACE
    netdr = str(Path(sys.executable).with_name("netdr"))
    where = ["-i", machine.book.inventory, "--state", machine.book.state]
    result = machine.shell.run([netdr, *where, "archive", "fetch", "--into", str(target), "--json"], limit=limit)
    try:
        told = json.loads(result.out)
        devices, failed = told["devices"], told["failed"]
    except (ValueError, LookupError, TypeError):
        raise BackupError(
            "no device's configuration could be fetched", where=machine.book.host, why=result.last_words
        ) from None
    if len(failed) > len(devices):
        why = "; ".join(one["where"] for one in failed)
        raise BackupError(
            f"{len(failed)} devices do not answer and {len(devices)} do", where=machine.book.host, why=why
        )
    if failed:
        (target / MISSING).write_text(json.dumps(failed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {}


def size(one: Devices, machine: Machine) -> None:
    """Return None: nobody knows before they are fetched."""
