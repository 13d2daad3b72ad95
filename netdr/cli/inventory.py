"""``netdr inventory``: check, show, draw and allocate."""

from __future__ import annotations

import click

from inventory import addressing, drawing, load, sheets
from inventory import record as records
from netdr.cli.context import Context, print_json
from netdr.cli.table import show_sheets
from netdr.kernel.errors import Problems


@click.group()
def inventory() -> None:
    """Check, show and draw the inventory."""


@inventory.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@click.pass_obj
def check(context: Context, as_json: bool) -> None:
    """Find everything that is wrong with the district's folder."""
    found = load.examine(context.inventory)
    for warning in found.warnings:
        click.echo(f"{context.text('warning', '警告')}: {warning.report()}", err=True)
    if found.network is None:
        raise Problems(found.problems)
    figures = sheets.summary(found.network)[0]
    if as_json:
        warnings = [warning.as_dict() for warning in found.warnings]
        print_json({"district": found.network.district.settings.id, **figures.as_json()[0], "warnings": warnings})
        return
    show_sheets([figures], context.language)
    count = len(found.warnings)
    click.echo(context.text(f"no problems, {count} warnings", f"没有问题，{count} 条警告"))


@inventory.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the tables for programs.")
@click.pass_obj
def show(context: Context, name: str | None, as_json: bool) -> None:
    """Show the district, or the device, host, unit, service or site NAME."""
    found = sheets.about(context.network, name) if name else sheets.summary(context.network)
    if as_json:
        print_json({sheet.title.en: sheet.as_json() for sheet in found})
    else:
        show_sheets(found, context.language)


@inventory.command()
@click.option("--format", "form", type=click.Choice(list(drawing.FORMATS)), default="dot", show_default=True)
@click.pass_obj
def graph(context: Context, form: str) -> None:
    """Draw the network: for Graphviz, for Mermaid, or as text."""
    click.echo(drawing.FORMATS[form](context.network, context.language), nl=False)


@inventory.command()
@click.option("--json", "as_json", is_flag=True, help="Print what changed for programs.")
@click.pass_obj
def allocate(context: Context, as_json: bool) -> None:
    """Give an address and a port to everything that has none, and record them."""
    district = load.district(context.inventory)
    before = records.read(context.inventory).value
    after = addressing.allocate(district, before)
    changes = addressing.changes(before, after)
    if after != before:
        records.write(context.inventory, after)
    if as_json:
        print_json([{"entry": entry, "before": old, "after": new} for entry, old, new in changes])
        return
    for entry, old, new in changes:
        click.echo(f"{entry}: {old or '-'} -> {new or '-'}")
    count = len(changes)
    click.echo(context.text(f"{count} changes in {records.FILE}", f"{records.FILE} 有 {count} 处变化"))
