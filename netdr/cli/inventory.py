"""``netdr inventory``: check, show, draw and allocate."""

from __future__ import annotations

import click

from inventory import addressing, load
from inventory import record as records
from netdr.cli.context import Context, print_json
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
    if found.problems:
        raise Problems(found.problems)
    if as_json:
        print_json({"problems": [], "warnings": [warning.as_dict() for warning in found.warnings]})
        return
    network = load.network(context.inventory)
    count = f"{len(network.devices)}, {len(network.wires)}, {len(network.nets)}"
    click.echo(context.text("devices, links, user networks: ", "设备、链路、用户网段：") + count)


@inventory.command()
@click.pass_obj
def allocate(context: Context) -> None:
    """Give an address and a port to everything that has none, and record them."""
    district = load.district(context.inventory)
    records.write(context.inventory, addressing.allocate(district, records.read(context.inventory).value))
