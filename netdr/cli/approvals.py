"""``netdr approvals``: who has signed a plan, and who may still have to."""

from __future__ import annotations

from pathlib import Path

import click

from netdr.cli.config import json_option
from netdr.cli.context import Context, print_json
from netdr.cli.wayback import read
from netdr.kernel.errors import RefusedError
from nornir_tasks import approval
from nornir_tasks.approval import Approvals


@click.command()
@click.argument("file", metavar="PLAN", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@click.pass_obj
def approvals(context: Context, file: Path, as_json: bool) -> int:
    """List who has approved a plan, and how to: ssh-keygen -Y sign -n netdr-plan -f KEY PLAN.

    With --json: plan, author, required, approvers (id, name, signature), rejected (why, by file), complete. Exit status
    6 if approvals are missing.
    """
    plan = read(file)
    found = approval.approvals(context.network, plan, file)
    if as_json:
        print_json(
            {
                "plan": plan.id,
                "author": plan.author,
                "required": found.required,
                "approvers": [{"id": one.id, "name": one.name, "signature": one.signature} for one in found.approvers],
                "rejected": {str(path): why for path, why in found.rejected.items()},
                "complete": found.complete,
            }
        )
        return 0 if found.complete else RefusedError.exit_code
    _show(context, plan.author, found)
    approval.demand(context.network, plan, file)
    return 0


def _show(context: Context, author: str, found: Approvals) -> None:
    click.echo(context.text(f"made by {author or 'nobody knows whom'}", f"编制人：{author or '未知'}"))
    for one in found.approvers:
        click.echo(
            context.text(
                f"approved by {one.name} ({one.id}): {one.signature}",
                f"批准人：{one.name}（{one.id}）：{one.signature}",
            )
        )
    for path, why in found.rejected.items():
        click.echo(context.text(f"does not count: {path}: {why}", f"无效：{path}：{why}"))
    click.echo(
        context.text(
            f"{len(found.approvers)} of {found.required} needed",
            f"需要 {found.required} 人批准，已有 {len(found.approvers)} 人",
        )
    )
