"""``netdr dr report``: what recoveries and drills achieved, and whether the evidence of them is still what it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from backup.recovery.report.kept import kept, missing
from netdr.cli.context import Context, print_json
from netdr.cli.table import aligned
from netdr.kernel.errors import Problems

Facts = Mapping[str, Any]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@click.pass_obj
def report(context: Context, as_json: bool) -> int:
    """List this controller's reports of recoveries and drills; check that none was changed or taken away since.

    Exit status 10 if one was. With --json: runs (run, scenario, lost_at, services, findings, page), problems.
    """
    folder = context.state / "evidence" / "recovery"
    found, problems = kept(folder), missing(folder)
    if as_json:
        plain = [problem.as_dict() for problem in problems]
        print_json({"runs": [_as_dict(context, one["report"]) for one in found], "problems": plain})
        return problems[0].exit_code if problems else 0
    if found:
        head = [
            context.text(*words) for words in (("when", "时间"), ("run", "执行编号"), ("promises kept", "达标业务"))
        ]
        rows = [_row(one["report"]) for one in found]
        click.echo("\n".join(aligned([[*head, context.text("findings", "问题")], *rows])))
    else:
        click.echo(context.text("no recovery or drill has been run from here", "本机尚未执行过切换或演练"))
    if problems:
        raise Problems(problems)
    return 0


def _as_dict(context: Context, one: Facts) -> dict[str, object]:
    told = {name: one[name] for name in ("run", "scenario", "lost_at", "services", "findings")}
    return {**told, "page": str(context.state / "reports" / f"{one['run']}.html")}


def _row(one: Facts) -> list[str]:
    good = sum(service["kept"] for service in one["services"].values())
    lost = sum(finding["rule"] == "not-recovered" for finding in one["findings"])
    when = f"{datetime.fromtimestamp(one['lost_at']).astimezone():%Y-%m-%d %H:%M}"
    return [when, one["run"], f"{good}/{len(one['services']) + lost}", str(len(one["findings"]))]
