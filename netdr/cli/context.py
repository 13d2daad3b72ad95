"""What every verb needs: which district, which state folder, whose language. Loaded when first asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from inventory import load
from inventory import secrets as vault
from inventory.network import Network
from netdr.kernel.errors import MissingError, UsageError
from netdr.kernel.language import Language, language
from netdr.kernel.secret import Secret


@dataclass(frozen=True)
class Context:
    """The composition root's state for one call."""

    folder: Path | None
    state_folder: Path | None
    language: Language

    @cached_property
    def inventory(self) -> Path:
        """The district's folder. Raise UsageError if none was named and there is not exactly one."""
        if self.folder is not None:
            return self.folder
        found = sorted(path.parent for path in Path("inventory").glob("*/district.yaml"))
        if len(found) != 1:
            names = ", ".join(map(str, found)) or "none"
            raise UsageError(f"no district named and {len(found)} found: {names}", hint="netdr -i FOLDER …")
        return found[0]

    @cached_property
    def state(self) -> Path:
        """The state folder, made with mode 0700 if it is not there. Raise MissingError if that is not allowed."""
        folder = self.state_folder or self.inventory / ".netdr"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            hint = "--state FOLDER or NETDR_STATE names another"
            raise MissingError(
                "the state folder cannot be made", where=str(folder), why=str(error), hint=hint
            ) from error
        return folder

    @cached_property
    def network(self) -> Network:
        """The district's network. Raise Problems with everything that is wrong with the inventory."""
        return load.network(self.inventory)

    @cached_property
    def secrets(self) -> Mapping[str, Secret]:
        """Every secret the district refers to. Raise InventoryError if the vault is missing or lacks one."""
        return vault.load(self.state, vault.references(self.network.district))

    def text(self, en: str, zh: str) -> str:
        """Return the text in the reader's language."""
        return zh if self.language == "zh" else en

    @contextmanager
    def step(self, en: str, zh: str) -> Iterator[None]:
        """Print a line for a step that may take long, then its time on the same line."""
        start = time.monotonic()
        click.echo(f"{self.text(en, zh)} … ", err=True, nl=False)
        try:
            yield
        except BaseException:
            click.echo(self.text("failed", "失败"), err=True)
            raise
        click.echo(f"{time.monotonic() - start:.1f} s", err=True)


def from_environment(environment: Mapping[str, str]) -> Context:
    """Return the context that NETDR_INVENTORY and NETDR_STATE ask for: how Ansible's plugins come to it."""
    folder, state = environment.get("NETDR_INVENTORY"), environment.get("NETDR_STATE")
    return Context(Path(folder) if folder else None, Path(state) if state else None, language(environment))


def print_json(value: object) -> None:
    """Print a value as JSON for programs, Chinese text as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
