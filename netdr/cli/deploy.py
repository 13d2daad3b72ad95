"""``netdr deploy``: a plan carried out on all its devices or on none."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from inventory.select import select
from netdr.cli.changes import exit_code, show_plan, show_report, summary
from netdr.cli.config import check_option, engine_of, json_option, limit_option
from netdr.cli.context import Context, print_json
from netdr.cli.progress import Ticker
from netdr.kernel.errors import UsageError
from nornir_tasks import plan as plans
from nornir_tasks.engine import Engine
from nornir_tasks.plan import Plan
from nornir_tasks.steps import Options


@click.command()
@click.argument("file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@limit_option
@check_option
@click.option("--ticket", default="", metavar="T", help="The change's number, for the journal.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def deploy(  # noqa: PLR0913, PLR0917 - one argument per option
    context: Context, file: Path | None, limit: str, checks: tuple[str, ...], ticket: str, yes: bool, as_json: bool
) -> int:
    """Carry out a plan, or a new one, on all its devices or on none. Nothing to do is success.

    With --json: plan, transaction, result (nothing, done, refused, restored, mixed), devices (state and note by id),
    changed, rolled_back, unknown (ids), seconds, stages (seconds by stage), problems.
    """
    with engine_of(context) as devices, Ticker(context) as ticker:
        made = _plan(context, devices, file, limit, ticker)
        made = replace(made, checks=made.checks + checks)
        ticker.finish()
        if made.changed and not as_json:
            click.echo(summary(context, made))
        if made.changed and not yes:
            _ask(context, made)
        with _stoppable(context) as stop:
            report = devices.deploy(made, Options(ticket=ticket, stop=stop, progress=ticker))
    if as_json:
        print_json(report.as_dict())
    else:
        show_report(context, report)
    return exit_code(report)


def _plan(context: Context, devices: Engine, file: Path | None, limit: str, ticker: Ticker) -> Plan:
    wanted = select(context.network.devices, limit)
    if file is None:
        return devices.plan_change(wanted, (), ticker)
    made = plans.parse(file.read_text(encoding="utf-8"), str(file))
    return plans.narrowed(made, [device for device in wanted if device in made.devices]) if limit else made


def _ask(context: Context, made: Plan) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody to ask whether to go on", hint="look at `netdr plan`, then say --yes")
    if click.confirm(context.text("show the changes?", "查看变更内容？"), default=False, err=True):
        show_plan(context, context.network, made)
    click.confirm(context.text("carry this out?", "执行此变更？"), abort=True, err=True)


@contextmanager
def _stoppable(context: Context) -> Iterator[Callable[[], bool]]:
    """Yield whether somebody wants to stop: a first Ctrl-C is a wish that the engine heeds between two steps."""
    wishes: list[int] = []
    text = context.text(
        "\nstopping: every changed device is brought back …\n", "\n正在停止：所有已变更设备将恢复原配置 …\n"
    )

    def wish(number: int, _: FrameType | None) -> None:
        wishes.append(number)
        os.write(2, text.encode())

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, wish) for number in handled}
    try:
        yield lambda: bool(wishes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
