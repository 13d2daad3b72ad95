"""The Ansible vault: saved only as cipher text, so that the backup alone opens nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import source, tree
from backup.machine import Machine
from inventory.asset import Vault
from netdr.kernel.errors import BackupError, NetdrError

# How every file of ansible-vault begins (Ansible documentation, "Ansible Vault file format").
_HEADER = b"$ANSIBLE_VAULT;"
FILE = "secrets.yaml"
PLACE = "vault"


def require(one: Vault, machine: Machine) -> Sequence[NetdrError]:  # noqa: ARG001 - a Kind's
    """Return a problem unless there is a vault and it is encrypted."""
    path = Path(machine.book.state) / FILE
    if not path.is_file():
        return [BackupError("there is no vault", where=str(path), hint=source.HINT)]
    with path.open("rb") as file:
        if file.read(len(_HEADER)) == _HEADER:
            return []
    hint = "ansible-vault encrypt it, then change every secret that was in it"
    return [BackupError("the vault is not encrypted and is not saved like this", where=str(path), hint=hint)]


def stage(one: Vault, folder: Path, machine: Machine, limit: float) -> Mapping[str, Path]:  # noqa: ARG001 - a Kind's
    """Copy the vault; nothing is shown as it is."""
    target = folder / PLACE
    target.mkdir(mode=0o700)
    tree.copy(Path(machine.book.state) / FILE, target / FILE)
    return {}


def size(one: Vault, machine: Machine) -> int:  # noqa: ARG001 - a Kind's
    """Return how many bytes the vault has."""
    return (Path(machine.book.state) / FILE).stat().st_size
