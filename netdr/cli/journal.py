"""``netdr journal``: the journal of changes, as the controllers keep it for each other."""

from __future__ import annotations

import sys

import click

from netdr.cli.context import Context
from nornir_tasks import replica


@click.group()
def journal() -> None:
    """Keep another controller's journal, so that this one can end what that one began."""


@journal.command()
@click.argument("controller")
@click.pass_obj
def receive(context: Context, controller: str) -> None:
    """Keep the journal of CONTROLLER: entries on standard input, on standard output how many are durable.

    The other controller runs it over ssh, while a change goes on.
    """
    replica.receive(context.state, controller, sys.stdin, _say)


def _say(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()
