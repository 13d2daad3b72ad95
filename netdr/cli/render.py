"""``netdr render``: what every device should say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from inventory import placement, select
from inventory.secrets import fingerprint_key
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import UsageError
from nornir_tasks import render as templates
from nornir_tasks.redact import redact


@click.command()
@click.argument("devices", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write DEVICE.cfg files to this folder.")
@click.option("--reveal", is_flag=True, help="With --out: the secrets themselves, in files only you can read.")
@click.option("--json", "as_json", is_flag=True, help="Print the texts by device, for programs.")
@click.pass_obj
def render(context: Context, devices: tuple[str, ...], out: Path | None, reveal: bool, as_json: bool) -> None:
    """Show what DEVICES (default: all) should say now. Secrets are shown as fingerprints.

    DEVICES are ids, patterns such as 'acc-*', or role:…, site:…, unit:….
    """
    if reveal and out is None:
        raise UsageError(
            "--reveal needs --out: secrets are not shown on a screen", hint="netdr render --reveal --out DIR"
        )
    network, secrets = context.network, context.secrets
    wanted = select.select(network.devices, ",".join(devices))
    active = placement.load(context.state, network.district).active
    texts = {name: text for name, text in templates.render_all(network, active, secrets).items() if name in wanted}
    if not reveal:
        key = fingerprint_key(context.state)
        texts = {name: redact(text, secrets, key) for name, text in texts.items()}
    if out is not None:
        _write(out, texts)
        click.echo(
            context.text(f"{len(texts)} devices written to {out}", f"已将 {len(texts)} 台设备的配置写入 {out}"),
            err=True,
        )
    elif as_json:
        print_json(texts)
    else:
        click.echo("\n".join(f"# {name}\n{text}" for name, text in texts.items()), nl=False)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / f"{name}.cfg"
        path.unlink(missing_ok=True)
        # The mode is set when the file is made: it is at no moment readable by others.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
