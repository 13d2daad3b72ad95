"""The way back of a plan: what would be changed to undo it."""

from __future__ import annotations

from pathlib import Path

import click

from netdr.cli.changes import grouped, groups_json, show_groups
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import UsageError
from nornir_tasks import plan as plans
from nornir_tasks.diff import reverse
from nornir_tasks.plan import Plan


def read(file: Path) -> Plan:
    """Return the plan of a file. Raise UsageError if it cannot be read or is not one."""
    try:
        return plans.parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeError) as error:
        raise UsageError("the plan cannot be read", where=str(file), why=str(error)) from error


def show(context: Context, made: Plan, *, as_json: bool) -> int:
    """Print the way back of a plan, identical changes once, and return 0."""
    back = {device: reverse(made.devices[device].diff) for device in reversed(made.changed)}
    found = grouped(context.network, back)
    if as_json:
        print_json({"plan": made.id, "changed": list(back), "groups": groups_json(found)})
        return 0
    show_groups(context, found)
    click.echo(
        context.text(
            f"the way back of plan {made.id}: {len(back)} devices, near to far; nothing was changed",
            f"计划 {made.id} 的回退：{len(back)} 台设备（由近及远）；未作任何变更",
        )
    )
    return 0
