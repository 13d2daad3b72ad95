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
from netdr.cli.changes import exit_code, show_moved, show_plan, show_report, show_status, summary
from netdr.cli.config import check_option, engine_of, json_option, limit_option, runner_option
from netdr.cli.context import Context, print_json
from netdr.cli.progress import Ticker
from netdr.kernel.errors import UsageError
from nornir_tasks import approval
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
@click.option("--status", "way", flag_value="status", help="Show the change that was begun and never ended.")
@click.option("--resume", "way", flag_value="resume", help="Finish it: on all its devices or on none.")
@click.option("--abort", "way", flag_value="abort", help="Take it back on all its devices.")
@runner_option
@json_option
@click.pass_obj
def deploy(  # noqa: PLR0913, PLR0917 - one argument per option
    context: Context,
    file: Path | None,
    limit: str,
    checks: tuple[str, ...],
    ticket: str,
    yes: bool,
    way: str | None,
    runner: str,
    as_json: bool,
) -> int:
    """Carry out a plan, or a new one, on all its devices or on none. Nothing to do is success.

    A change whose controller died is finished with --resume or taken back with --abort, from there or from another
    controller.

    With --json: plan, transaction, result (nothing, done, refused, restored, mixed, overtaken), devices (state and note
    by id), changed, rolled_back, unknown (ids), seconds, stages (seconds by stage), problems, notes. With --status:
    open, and if so transaction, plan, owner, opened, ticket, step, devices (where, left_s and note by id).
    """
    if way and (file or limit or checks or ticket):
        raise UsageError(f"--{way} is about the change that was begun: it takes no plan, device, check or ticket")
    with engine_of(context, runner) as devices, Ticker(context) as ticker:
        if way == "status":
            return _status(context, devices, ticker, as_json)
        if way:
            with _stoppable(context) as stop:
                options = Options(stop=stop, progress=ticker)
                report = devices.resume(options) if way == "resume" else devices.abort(options)
        else:
            made = _plan(context, devices, file, limit, ticker)
            made = replace(made, checks=made.checks + checks)
            ticker.finish()
            approved = _approved(context, made, file)
            if file:
                show_moved(context, made, devices.revision)
            if made.changed and not as_json:
                click.echo(summary(context, made))
            if made.changed and not yes:
                _ask(context, made)
            with _stoppable(context) as stop:
                options = Options(ticket=f"{ticket} {approved}".strip(), stop=stop, progress=ticker)
                report = devices.deploy(made, options)
    if as_json:
        print_json(report.as_dict())
    else:
        show_report(context, report)
    return 0 if way == "abort" and report.result == "restored" else exit_code(report)


def _status(context: Context, devices: Engine, ticker: Ticker, as_json: bool) -> int:
    found = devices.status(ticker)
    ticker.finish()
    if as_json:
        print_json(found.as_dict() if found else {"open": False})
    else:
        show_status(context, found)
    return 0


def _plan(context: Context, devices: Engine, file: Path | None, limit: str, ticker: Ticker) -> Plan:
    wanted = select(context.network.devices, limit)
    if file is None:
        return devices.plan_change(wanted, (), ticker)
    made = plans.parse(file.read_text(encoding="utf-8"), str(file))
    return plans.narrowed(made, [device for device in wanted if device in made.devices]) if limit else made


def _approved(context: Context, made: Plan, file: Path | None) -> str:
    """Return who has approved a plan, for the journal; nobody is asked about one that changes nothing."""
    approvers = approval.demand(context.network, made, file) if made.changed else ()
    return f"approved by {', '.join(approver.id for approver in approvers)}" if approvers else ""


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
