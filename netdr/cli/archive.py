"""``netdr archive``: what the devices say, brought to this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from inventory.select import select
from netdr.cli.config import engine_of, limit_option, runner_option
from netdr.cli.context import Context, print_json
from netdr.cli.progress import Ticker
from netdr.kernel.errors import MissingError, Problems


@click.group()
def archive() -> None:
    """Keep what the devices say."""


@archive.command()
@limit_option
@runner_option
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), required=True, help="An empty folder.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fetched for programs.")
@click.pass_obj
def fetch(context: Context, limit: str, runner: str, into: Path, as_json: bool) -> int:
    """Write each device's running configuration, secrets included, to a file of mode 0600 named like the device.

    Devices that do not answer are named; if none does, that is an error.
    """
    folder = _empty(into)
    with engine_of(context, runner) as devices, Ticker(context) as ticker:
        texts, failures = devices.fetch(select(context.network.devices, limit), ticker)
    for failure in failures:
        click.echo(f"netdr: {failure.report()}", err=True)
    if not texts:
        raise Problems(failures)
    for device, text in texts.items():
        _write(folder / device, text)
    if as_json:
        print_json({"devices": list(texts), "failed": [failure.as_dict() for failure in failures]})
    else:
        words = context.text(
            f"{len(texts)} fetched, {len(failures)} failed", f"已取 {len(texts)} 台，失败 {len(failures)} 台"
        )
        click.echo(words)
    return failures[0].exit_code if failures else 0


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise MissingError("the folder is not empty", where=str(folder), hint="name a new one")
    except OSError as error:
        raise MissingError("the folder cannot be made", where=str(folder), why=str(error)) from error
    return folder


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
