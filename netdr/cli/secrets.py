"""``netdr secrets``: make a vault of throw-away secrets, check one."""

from __future__ import annotations

import click

from inventory import load
from inventory import secrets as vault
from netdr.cli.context import Context, print_json


@click.group()
def secrets() -> None:
    """Create and check the vault."""


@secrets.command()
@click.pass_obj
def create(context: Context) -> None:
    """Make random secrets, the vault's password and the login key; overwrite nothing."""
    references = vault.references(load.district(context.inventory))
    vault.create(context.state, references)
    click.echo(
        context.text(f"{len(references)} secrets in {context.state}", f"{context.state} 中有 {len(references)} 个密钥")
    )


@secrets.command()
@click.option("--json", "as_json", is_flag=True, help="Print the names for programs.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Open the vault and compare it with what the district refers to."""
    names = sorted(vault.load(context.state, vault.references(load.district(context.inventory))))
    if as_json:
        print_json({"secrets": names})
    else:
        click.echo(context.text("the vault is complete: ", "密钥库完整：") + ", ".join(names))
