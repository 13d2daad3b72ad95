"""``netdr diff``, ``netdr plan``, ``netdr deploy``: each runs the former and adds one step."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from inventory import placement
from inventory.select import select
from netdr.cli.changes import exit_code, grouped, groups_json, show_groups, show_plan, show_report, summary
from netdr.cli.context import Context, print_json
from netdr.cli.progress import Ticker
from netdr.kernel.errors import UsageError
from nornir_tasks import engine
from nornir_tasks import plan as plans
from nornir_tasks.engine import Engine
from nornir_tasks.plan import Plan
from nornir_tasks.steps import Options

limit_option = click.option(
    "-l", "--limit", default="", metavar="SEL", help="Devices: id, pattern, role:…, site:…, unit:…; comma: and; !: not."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
check_option = click.option(
    "--check", "checks", multiple=True, metavar="CMD", help="A command that must exit with 0 after the change."
)


@click.command()
@limit_option
@json_option
@click.pass_obj
def diff(context: Context, limit: str, as_json: bool) -> None:
    """Show what is different on the devices, identical changes once; secrets as fingerprints.

    With --json: devices (how many), changed (ids), groups (devices, parameters, values, diff), diffs (by id), seconds.
    """
    start = time.monotonic()
    with _engine(context) as devices, Ticker(context) as ticker:
        seen = devices.observe(select(context.network.devices, limit), ticker)
    diffs = {device: observed.diff for device, observed in seen.items() if observed.running != observed.intended}
    found = grouped(context.network, diffs)
    if as_json:
        seconds = round(time.monotonic() - start, 3)
        counts = {"devices": len(seen), "changed": list(diffs)}
        print_json({**counts, "groups": groups_json(found), "diffs": diffs, "seconds": seconds})
        return
    show_groups(context, found)
    total, changed = len(seen), len(diffs)
    click.echo(context.text(f"{total} devices: {changed} different", f"共 {total} 台设备：{changed} 台有差异"))


@click.command()
@limit_option
@check_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: plans/ID.json in the state folder."
)
@json_option
@click.pass_obj
def plan(context: Context, limit: str, checks: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Write down what would be changed, in which order, and how it is undone; change nothing.

    With --json: plan (id), file, devices (how many), changed (ids), waves, groups, checks, timers, seconds.
    """
    start = time.monotonic()
    with _engine(context) as devices, Ticker(context) as ticker:
        made = devices.plan_change(select(context.network.devices, limit), checks, ticker)
    file = _write(context, made, out)
    if not as_json:
        show_plan(context, context.network, made)
        click.echo(context.text(f"plan: {file}", f"计划文件：{file}"))
        return
    found = grouped(context.network, {device: made.devices[device].diff for device in made.changed})
    print_json(
        {
            "plan": made.id,
            "file": str(file),
            "devices": len(made.devices),
            "changed": list(made.changed),
            "waves": made.waves,
            "groups": groups_json(found),
            "checks": made.checks,
            "timers": {"revert": made.timers.revert, "gate": made.timers.gate, "settle": made.timers.settle},
            "seconds": round(time.monotonic() - start, 3),
        }
    )


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
    with _engine(context) as devices, Ticker(context) as ticker:
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


@contextmanager
def _engine(context: Context) -> Iterator[Engine]:
    where = placement.load(context.state, context.network.district)
    with engine.opened(context.network, where, context.secrets, context.state) as devices:
        yield devices


def _plan(context: Context, devices: Engine, file: Path | None, limit: str, ticker: Ticker) -> Plan:
    wanted = select(context.network.devices, limit)
    if file is None:
        return devices.plan_change(wanted, (), ticker)
    made = plans.parse(file.read_text(encoding="utf-8"), str(file))
    return plans.narrowed(made, [device for device in wanted if device in made.devices]) if limit else made


def _write(context: Context, made: Plan, out: Path | None) -> Path:
    file = out or context.state / "plans" / f"{made.id}.json"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(plans.dump(made), encoding="utf-8")
    return file


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
